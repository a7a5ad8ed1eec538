"""Runs the parts of a bundle that work without AWS: its scripts, its hooks in order, and its processes, restarted as by
systemd. Needs only Python."""

import ast
import contextlib
import datetime
import io
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import BUNDLE, GATEWAY, GROUP, Aws, load, until  # noqa: E402

REPOSITORY = BUNDLE.parents[1]
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
watch = load(BUNDLE / "bin/drain-watch", "drain_watch")
pack = load(BUNDLE / "pack.py", "pack")


def elf(machine=62, versions=(b"GLIBC_2.17", b"GLIBC_2.34")):
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + b"\0" + b"\0".join(versions) + b"\0"


class Decisions(unittest.TestCase):
    def test_a_node_is_leaving_by_its_lifecycle_or_its_target(self):
        for lifecycle, targets, leaving in [
            ("InService", {"healthy"}, False),
            ("InService", {"initial"}, False),
            ("InService", {"unhealthy"}, False),
            ("InService", {"draining"}, True),
            ("InService", {"draining", "healthy"}, True),
            # Not registered: after the deregistration delay, during a deployment. Neither drained nor brought back.
            ("InService", {"unused"}, None),
            ("InService", set(), None),
            ("Terminated", set(), True),
            ("Standby", {"healthy"}, True),
            ("Detached", set(), True),
            (None, {"healthy"}, False),
        ]:
            with self.subTest(lifecycle=lifecycle, targets=targets):
                self.assertIs(watch.judge(lifecycle, targets), leaving)

    def test_drain_watch_is_valid_in_the_installed_python(self):
        """Amazon Linux 2023 has 3.9. Checks the syntax and some later additions; nothing here runs on 3.9 itself."""
        source = (BUNDLE / "bin/drain-watch").read_text()
        ast.parse(source, feature_version=(3, 9))
        self.assertNotRegex(source, r"zip\(.*strict|\.hardlink_to|datetime\.UTC|tomllib|ExceptionGroup")

    def test_requests_are_signed_like_those_of_the_sdk(self):
        """The expected signature is that of botocore 1.43's SigV4Auth for the same request."""
        url = (
            "https://elasticloadbalancing.eu-west-1.amazonaws.com/?Action=DescribeTargetHealth&Version=2015-12-01"
            "&TargetGroupArn=arn%3Aaws%3Aelasticloadbalancing%3Aeu-west-1%3A111122223333%3Atargetgroup%2Fa%2Fb"
            "&Targets.member.1.Id=i-0123456789abcdef0"
        )
        credentials = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "Token": "a/b+c="}
        now = datetime.datetime(2026, 11, 27, 12, 0, 0, tzinfo=datetime.timezone.utc)
        headers = watch.sign(url, "elasticloadbalancing", "eu-west-1", credentials, now)
        self.assertEqual(headers["authorization"].rsplit("=", 1)[1], "0c811ecf2f2e5455f928835bf8d0de78144930dfa80d6230b642cae10d0af213")


class Processes(unittest.TestCase):
    """The processes of the Procfile, with a fake gateway and a fake AWS."""

    def setUp(self):
        self.aws = Aws()
        self.addCleanup(self.aws.stop)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.marker, self.starts = self.root / "run/leaving", self.root / "starts"
        self.starts.touch()
        self.app = self.root / "app"
        with contextlib.redirect_stdout(io.StringIO()):
            pack.write(self.root / "bundle.zip", pack.bundle(GATEWAY.encode(), None))
        with zipfile.ZipFile(self.root / "bundle.zip") as archive:
            for info in archive.infolist():
                # extract() loses the mode.
                pathlib.Path(archive.extract(info, self.app)).chmod(info.external_attr >> 16 & 0o777)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.admin = f"127.0.0.1:{probe.getsockname()[1]}"
        self.running, self.ending = {}, threading.Event()

    def start(self):
        """Runs each process of the Procfile, and restarts it whenever it ends, as systemd does."""
        environment = {
            "PATH": os.environ["PATH"],
            "LEAVING_MARKER": str(self.marker),
            "RTS_ADMIN_LISTEN": self.admin,
            "METADATA_ENDPOINT": self.aws.url,
            "AWS_ENDPOINT_URL": self.aws.url,
            "DRAIN_WATCH_SECONDS": "0.1",
            "STARTS": str(self.starts),
        }

        def keep(name, command):
            while not self.ending.is_set():
                process = subprocess.Popen(command, cwd=self.app, env=environment, start_new_session=True, **QUIET)
                self.running[name] = process
                process.wait()
                time.sleep(0.1)

        threads = []
        for line in (self.app / "Procfile").read_text().splitlines():
            name, command = line.split(": ")
            threads.append(threading.Thread(target=keep, args=(name, command.split())))
        for thread in threads:
            thread.start()
        self.addCleanup(self.end, threads)

    def end(self, threads):
        self.ending.set()
        for process in self.running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for thread in threads:
            thread.join(10)
            self.assertFalse(thread.is_alive(), "a process that SIGTERM does not end")

    def started(self):
        return len(self.starts.read_text().splitlines())

    def test_a_leaving_node_is_drained_once_and_stays_down_until_it_is_back(self):
        self.start()
        until(lambda: self.started() == 1, what="the gateway runs")
        until(lambda: any("DescribeTargetHealth" in path for path in self.aws.asked), what="the balancer is asked")
        self.aws.target = "draining"
        until(self.marker.exists, what="the node is marked")
        until(lambda: self.running["web"].poll() is None and self.started() == 1, what="a drained gateway waits")
        self.aws.target = "unused"
        time.sleep(0.6)
        self.assertEqual(self.started(), 1, "it is not started on a node that nobody reaches")
        self.aws.target = "initial"
        until(lambda: self.started() == 2, what="it is started when its target is registered again")
        self.assertFalse(self.marker.exists())

    def test_a_termination_is_noticed_without_the_balancer(self):
        self.aws.refuses = True
        self.start()
        until(lambda: self.started() == 1, what="the gateway runs")
        self.assertFalse(self.marker.exists(), "a refused call drains nobody")
        self.aws.lifecycle = "Terminated"
        until(self.marker.exists, what="the node is marked")

    def test_a_watcher_that_ended_before_its_drain_was_accepted_asks_again(self):
        self.start()
        until(lambda: self.started() == 1, what="the gateway runs")
        gateway = self.running["web"].pid
        self.marker.parent.mkdir(parents=True, exist_ok=True)
        self.marker.touch()
        self.aws.target = "draining"
        until(lambda: self.marker.read_text() != "", what="the drain is accepted")
        until(lambda: self.running["web"].pid != gateway, what="the gateway drains")
        time.sleep(0.6)
        self.assertEqual((self.started(), self.marker.exists()), (1, True), "it stays down")

    def test_a_drain_is_requested_until_the_gateway_accepts_it(self):
        self.aws.target = "draining"
        (self.app / "bin/rts-gateway").write_text("#!/bin/sh\nexit 1\n")
        self.start()
        until(lambda: any("DescribeTargetHealth" in path for path in self.aws.asked), what="the balancer is asked")
        time.sleep(0.3)
        (self.app / "bin/rts-gateway").write_text(GATEWAY)
        until(lambda: self.marker.exists() and self.started() >= 1, what="it is drained in the end")

    def test_a_gateway_gets_the_hard_limit_of_open_files(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.start()
        until(lambda: self.started() == 1)
        self.assertEqual(self.starts.read_text().split(), [str(hard), str(hard)])

    def test_each_request_is_about_this_node(self):
        self.start()
        until(lambda: sum("DescribeTargetHealth" in path for path in self.aws.asked) >= 2)
        health = [path for path in self.aws.asked if "DescribeTargetHealth" in path]
        self.assertTrue(all("Targets.member.1.Id=i-1" in path for path in health))
        self.assertTrue(all(GROUP.replace(":", "%3A").replace("/", "%2F") in path for path in health))
        self.assertEqual(sum("DescribeAutoScalingGroups" in path for path in self.aws.asked), 1, "its place is remembered")


class Hooks(unittest.TestCase):
    ORDER = ("prebuild", "predeploy", "postdeploy")

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.calls = self.root / "calls"
        self.stub("usr/bin/systemctl")
        self.stub("usr/bin/systemd-tmpfiles")
        self.stub("opt/elasticbeanstalk/bin/get-config", "echo two-rts-server-prod")
        self.stub("opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl")
        (self.root / "run/rts").mkdir(parents=True)
        (self.root / "run/rts/leaving").touch()

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
                self.assertIn("webapp", (self.root / "etc/tmpfiles.d/rts.conf").read_text())
                self.assertFalse((self.root / "run/rts/leaving").exists(), "the new gateway may start")
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


class Packing(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.binary, self.web = self.root / "binary", self.root / "web"
        self.binary.write_bytes(elf())
        self.web.mkdir()
        (self.web / "index.html").write_text("<p>")

    def pack(self, what, *arguments):
        out = self.root / "out.zip"
        command = [sys.executable, "-B", BUNDLE / "pack.py", what, out, "--binary", self.binary, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, {info.filename: info for info in zipfile.ZipFile(out).infolist()}

    def test_programs_are_executable_and_equal_files_give_equal_bytes(self):
        digest, entries = self.pack("bundle", "--web", self.web)
        modes = {name: info.external_attr >> 16 & 0o777 for name, info in entries.items()}
        ours = [n for n in modes if n.startswith(("bin/", ".platform/"))]
        self.assertEqual({modes[name] for name in ours}, {0o755})
        self.assertEqual({modes[n] for n in ("web/index.html", "Procfile", ".ebextensions/scaling.config")}, {0o644})
        for line in (BUNDLE / "Procfile").read_text().splitlines():
            self.assertIn(line.split(": ")[1], entries)
        self.assertFalse([name for name in entries if "test" in name or "pack" in name])
        os.utime(self.binary, (1, 1))
        self.assertEqual(self.pack("bundle", "--web", self.web)[0], digest)

    def test_a_function_is_its_bootstrap(self):
        _, entries = self.pack("function")
        self.assertEqual(list(entries), ["bootstrap"])
        self.assertEqual(entries["bootstrap"].external_attr >> 16 & 0o777, 0o755)

    def test_a_binary_that_would_not_start_is_rejected(self):
        for what, binary, reason in [
            ("a script", b"#!/bin/sh\n", "no Linux binary"),
            ("another architecture", elf(machine=183), "of arm64"),
            ("a newer glibc", elf(versions=(b"GLIBC_2.17", b"GLIBC_2.38")), "glibc 2.38"),
        ]:
            with self.subTest(what=what), self.assertRaisesRegex(SystemExit, reason):
                pack.check(binary, "x86_64")
        pack.check(elf(), "x86_64")
        pack.check(elf(machine=183, versions=(b"GLIBC_2.17", b"GLIBC_PRIVATE")), "arm64")


if __name__ == "__main__":
    unittest.main()
