"""Runs the parts of a bundle that work without AWS: its hooks, in order. Needs only Python."""

import json
import pathlib
import re
import subprocess
import tempfile
import time
import unittest

BUNDLE = pathlib.Path(__file__).resolve().parents[1]
REPOSITORY = BUNDLE.parents[1]


class Hooks(unittest.TestCase):
    ORDER = ("prebuild", "postdeploy")

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.calls = self.root / "calls"
        self.stub("usr/bin/systemctl")
        self.stub("opt/elasticbeanstalk/bin/get-config", "echo two-rts-server-prod")
        self.stub("opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl")

    def stub(self, path, command="true"):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'#!/bin/sh\necho "{file.name} $*" >> {self.calls}\n{command}\n')
        file.chmod(0o755)

    def run_hooks(self, kind, **variables):
        environment = {"PATH": f"{self.root}/usr/bin:/usr/bin:/bin", "ROOT": str(self.root), "APP_DIR": str(BUNDLE), **variables}
        said = ""
        for step in self.ORDER:
            hooks = sorted((BUNDLE / ".platform" / kind / step).iterdir())
            self.assertTrue(hooks, f"{kind}/{step} is empty")
            for hook in hooks:
                done = subprocess.run([hook], env=environment, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, f"{hook}: {done.stderr}")
                said += done.stderr
        return said

    def test_a_version_and_a_configuration_have_the_same_result(self):
        for kind in ("hooks", "confighooks"):
            with self.subTest(kind=kind):
                self.setUp()
                self.assertEqual(self.run_hooks(kind), "")
                unit = (self.root / "etc/systemd/system/web.service.d/rts.conf").read_text()
                self.assertIn("LimitNOFILE=1048576", unit)
                self.assertIn("TimeoutStopSec=300", unit)
                calls = self.calls.read_text()
                self.assertIn("systemctl daemon-reload", calls)
                self.assertIn("-a append-config -m ec2 -s -c file:", calls)

    def test_the_agent_scrapes_this_environments_gateway(self):
        self.run_hooks("hooks")
        etc = self.root / "opt/aws/amazon-cloudwatch-agent/etc"
        agent = json.loads((etc / "rts-agent.json").read_text())["logs"]["metrics_collected"]["prometheus"]
        self.assertEqual(agent["log_group_name"], "/rts/two-metrics")
        self.assertEqual(agent["prometheus_config_path"], "/opt/aws/amazon-cloudwatch-agent/etc/rts-prometheus.yaml")
        scrape = (etc / "rts-prometheus.yaml").read_text()
        self.assertIn('environment: "two-rts-server-prod"', scrape)
        self.assertIn('application: "two-rts-server"', scrape)
        self.assertNotIn("@", scrape)

    def test_without_the_agent_a_deployment_succeeds_and_says_so(self):
        self.stub("opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl", "exit 1")
        self.assertIn("does not read the gateway's metrics", self.run_hooks("hooks"))

    def test_an_agent_that_hangs_does_not_hold_up_a_deployment(self):
        self.stub("opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl", "exec sleep 30")
        begun = time.monotonic()
        self.assertIn("does not read the gateway's metrics", self.run_hooks("hooks", HOOK_SECONDS="1"))
        self.assertLess(time.monotonic() - begun, 20)

    def test_gateways_export_the_selected_metrics(self):
        source = (REPOSITORY / "gateway/src/metrics/table.rs").read_text()
        exported = set(re.findall(r'"(rts_\w+)"', source))
        declared = json.loads((BUNDLE / "metrics/agent.json").read_text())
        (declaration,) = declared["logs"]["metrics_collected"]["prometheus"]["emf_processor"]["metric_declaration"]
        names = {selector.strip("^$") for selector in declaration["metric_selectors"]}
        self.assertLessEqual(names, exported)
        # Every metric used by an alarm, the dashboard or the scaling is sent.
        counted = (BUNDLE / ".ebextensions/scaling.config").read_text()
        counted += (REPOSITORY / "deploy/cloudformation/observability.yaml").read_text()
        self.assertLessEqual(set(re.findall(r"\brts_\w+", counted)), names)


if __name__ == "__main__":
    unittest.main()
