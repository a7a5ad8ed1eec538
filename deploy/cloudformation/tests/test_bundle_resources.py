"""Lints the resources that the bundle adds to Beanstalk's stack of an environment. Needs cfn-lint."""

import json
import pathlib
import unittest

import yaml
from cfnlint.api import lint_all

BUNDLE = pathlib.Path(__file__).resolve().parents[2] / "beanstalk"


def as_in_beanstalk(value):
    """Replaces each option that Beanstalk fills in with its default."""
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
    """The findings of cfn-lint, except informational ones."""
    return [match.message for match in lint_all(template(resources)) if match.rule.severity != "informational"]


class Resources(unittest.TestCase):
    def setUp(self):
        self.resources = as_in_beanstalk(yaml.safe_load((BUNDLE / ".ebextensions/scaling.config").read_text())["Resources"])

    def test_they_pass_cfn_lint(self):
        self.assertEqual(faults(self.resources), [])

    def test_a_fault_is_found(self):
        tracking = self.resources["RtsConnections"]["Properties"]["TargetTrackingConfiguration"]
        tracking["CustomizedMetricSpecification"]["Metrics"][0]["MetricStats"] = {}
        self.assertTrue(faults(self.resources))

    def test_they_scale_this_environments_group(self):
        self.assertEqual({r["Type"] for r in self.resources.values()}, {"AWS::AutoScaling::ScalingPolicy"})
        for resource in self.resources.values():
            self.assertEqual(resource["Properties"]["AutoScalingGroupName"], {"Ref": "AWSEBAutoScalingGroup"})

    def test_the_agents_scrape_configuration_is_yaml(self):
        (job,) = yaml.safe_load((BUNDLE / "metrics/prometheus.yaml").read_text())["scrape_configs"]
        # The agent's metric declaration selects by this name.
        self.assertIn(f'"^{job["job_name"]}$"', (BUNDLE / "metrics/agent.json").read_text())


if __name__ == "__main__":
    unittest.main()
