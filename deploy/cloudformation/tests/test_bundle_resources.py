"""What the bundle adds to the stack that Beanstalk makes of an environment, linted as a part of it. Needs cfn-lint."""

import json
import pathlib
import unittest

import yaml
from cfnlint.api import lint_all

BUNDLE = pathlib.Path(__file__).resolve().parents[2] / "beanstalk"


def as_in_beanstalk(value):
    """With each option that Beanstalk puts in replaced by its default."""
    if isinstance(value, dict):
        if set(value) == {"Fn::GetOptionSetting"}:
            option = value["Fn::GetOptionSetting"]
            assert option["Namespace"] == "aws:elasticbeanstalk:customoption"
            return float(option["DefaultValue"])
        return {key: as_in_beanstalk(item) for key, item in value.items()}
    return [as_in_beanstalk(item) for item in value] if isinstance(value, list) else value


def template(resources):
    parameters = {name: {"Type": "String"} for name in ("AWSEBEnvironmentName", "AWSEBAutoScalingGroup")}
    return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Parameters": parameters, "Resources": resources})


def faults(resources):
    """What cfn-lint finds beyond remarks."""
    return [match.message for match in lint_all(template(resources)) if match.rule.severity != "informational"]


class Resources(unittest.TestCase):
    def setUp(self):
        self.resources = as_in_beanstalk(yaml.safe_load((BUNDLE / ".ebextensions/scaling.config").read_text())["Resources"])

    def test_they_are_sound(self):
        self.assertEqual(faults(self.resources), [])

    def test_a_fault_in_them_would_be_found(self):
        tracking = self.resources["RtsConnections"]["Properties"]["TargetTrackingConfiguration"]
        tracking["CustomizedMetricSpecification"]["Metrics"][0]["MetricStats"] = {}
        self.assertTrue(faults(self.resources))

    def test_they_scale_this_environments_group(self):
        self.assertEqual({r["Type"] for r in self.resources.values()}, {"AWS::AutoScaling::ScalingPolicy"})
        for resource in self.resources.values():
            self.assertEqual(resource["Properties"]["AutoScalingGroupName"], {"Ref": "AWSEBAutoScalingGroup"})

    def test_the_agents_scraping_is_yaml(self):
        (job,) = yaml.safe_load((BUNDLE / "metrics/prometheus.yaml").read_text())["scrape_configs"]
        # The agent's declaration chooses by this name.
        self.assertIn(f'"^{job["job_name"]}$"', (BUNDLE / "metrics/agent.json").read_text())


if __name__ == "__main__":
    unittest.main()
