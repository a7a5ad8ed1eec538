"""Checks the templates against each other, the gateway's configuration and the bundle: names of options and variables,
times that must fit, outputs that other stacks use. Needs cfn-lint (its YAML reader) in the Python that runs it."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from cfnlint.decode import decode

TEMPLATES = pathlib.Path(__file__).resolve().parents[1]
REPOSITORY = TEMPLATES.parents[1]
BUNDLE = REPOSITORY / "deploy/beanstalk"
SIZES = ("small", "large")
VARIABLES = "aws:elasticbeanstalk:application:environment"
SECRETS = "aws:elasticbeanstalk:application:environmentsecrets"
PROCESS = "aws:elasticbeanstalk:environment:process:default"

# Beanstalk's general options and their values. cfn-lint does not know them, and Beanstalk rejects a wrong one only when an
# environment is created. Patterns are for literal values; a parameter constrains its own.
NUMBER, TEXT, BOOLEAN = r"\d+", r".+", r"true|false"
KNOWN = {
    "aws:elasticbeanstalk:environment": {
        "EnvironmentType": "LoadBalanced|SingleInstance", "ServiceRole": TEXT, "LoadBalancerType": "classic|application|network",
        "LoadBalancerIsShared": BOOLEAN,
    },
    "aws:elbv2:loadbalancer": {"SharedLoadBalancer": TEXT, "SecurityGroups": TEXT},
    "aws:elbv2:listener:443": {"Rules": TEXT},
    "aws:elbv2:listenerrule:own": {"HostHeaders": TEXT, "PathPatterns": TEXT, "Priority": NUMBER, "Process": TEXT},
    PROCESS: {
        "Port": NUMBER, "Protocol": "HTTP|HTTPS", "HealthCheckPath": r"/.*", "HealthCheckInterval": NUMBER,
        "HealthCheckTimeout": NUMBER, "HealthyThresholdCount": "[2-9]|10", "UnhealthyThresholdCount": "[2-9]|10",
        "MatcherHTTPCode": r"[\d,-]+", "StickinessEnabled": BOOLEAN, "DeregistrationDelay": NUMBER,
    },
    "aws:ec2:vpc": {
        "VPCId": TEXT, "Subnets": TEXT, "ELBSubnets": TEXT, "ELBScheme": "public|internal", "AssociatePublicIpAddress": BOOLEAN,
    },
    "aws:ec2:instances": {"InstanceTypes": TEXT, "SupportedArchitectures": "x86_64|arm64"},
    "aws:autoscaling:launchconfiguration": {
        "IamInstanceProfile": TEXT, "SecurityGroups": TEXT, "DisableDefaultEC2SecurityGroup": BOOLEAN, "DisableIMDSv1": BOOLEAN,
        "RootVolumeType": "standard|gp2|gp3|io1", "RootVolumeSize": NUMBER, "MonitoringInterval": "[15] minutes?",
    },
    "aws:autoscaling:asg": {"MinSize": NUMBER, "MaxSize": NUMBER, "Cooldown": NUMBER},
    "aws:autoscaling:trigger": {
        "MeasureName": "CPUUtilization|NetworkOut|NetworkIn|Latency|RequestCount", "Statistic": "Average|Minimum|Maximum|Sum",
        "Unit": "Percent|Bytes|Count|Seconds|None", "Period": NUMBER, "EvaluationPeriods": NUMBER, "BreachDuration": NUMBER,
        "UpperThreshold": NUMBER, "LowerThreshold": NUMBER,
    },
    "aws:autoscaling:updatepolicy:rollingupdate": {
        "RollingUpdateEnabled": BOOLEAN, "RollingUpdateType": "Time|Health|Immutable", "MaxBatchSize": NUMBER,
        "MinInstancesInService": NUMBER, "Timeout": r"PT\d+[MH]",
    },
    "aws:elasticbeanstalk:command": {
        "DeploymentPolicy": "AllAtOnce|Rolling|RollingWithAdditionalBatch|Immutable|TrafficSplitting",
        "BatchSizeType": "Percentage|Fixed", "BatchSize": NUMBER, "Timeout": NUMBER, "IgnoreHealthCheck": BOOLEAN,
    },
    "aws:elasticbeanstalk:managedactions": {"ManagedActionsEnabled": BOOLEAN},
    "aws:elasticbeanstalk:healthreporting:system": {
        "SystemType": "basic|enhanced", "HealthCheckSuccessThreshold": "Ok|Warning|Degraded|Severe",
    },
    "aws:elasticbeanstalk:cloudwatch:logs": {"StreamLogs": BOOLEAN, "RetentionInDays": NUMBER, "DeleteOnTerminate": BOOLEAN},
    "aws:elasticbeanstalk:cloudwatch:logs:health": {
        "HealthStreamingEnabled": BOOLEAN, "RetentionInDays": NUMBER, "DeleteOnTerminate": BOOLEAN,
    },
}  # fmt: skip
# Namespaces with arbitrary names.
FREE = {VARIABLES, SECRETS, "aws:elasticbeanstalk:customoption"}


def template(name):
    read, problems = decode(str(TEMPLATES / f"{name}.yaml"))
    assert not problems, problems
    return read


def size(name, of):
    items = json.loads((TEMPLATES / "parameters" / of / f"{name}.json").read_text())
    return {item["ParameterKey"]: item["ParameterValue"] for item in items}


def options():
    """The options of the environment: (namespace, name) → (value, condition)."""
    found = {}
    for entry in template("service")["Resources"]["Environment"]["Properties"]["OptionSettings"]:
        condition = None
        if "Fn::If" in entry:
            condition, entry, absent = entry["Fn::If"]
            assert absent == {"Ref": "AWS::NoValue"}
        key = (entry["Namespace"], entry["OptionName"])
        assert key not in found, f"{key} is set twice"
        found[key] = (entry["Value"], condition)
    return found


def value(name, namespace, of):
    """The value of an option for an environment of a size."""
    text, _ = options()[namespace, name]
    if isinstance(text, dict):
        (parameter,) = re.findall(r"\w+", text.get("Ref") or text["Fn::Sub"])
        default = template("service")["Parameters"][parameter].get("Default")
        return str(size("service", of).get(parameter, default))
    return str(text)


def configuration():
    """The gateway's variables with their defaults, from its own table."""
    source = (REPOSITORY / "gateway/src/config/variables.rs").read_text()
    return dict(re.findall(r'variable\(\s*"(RTS_\w+)",\s*"([^"]*)"', source))


def read_by_functions():
    """The variables that the functions read, in their own source and in the code shared with the gateway."""
    sources = [*(REPOSITORY / "persister/src").rglob("*.rs"), *(REPOSITORY / "common/src").rglob("*.rs")]
    return {name for source in sources for name in re.findall(r'"(RTS_\w+)"', source.read_text())}


class Options(unittest.TestCase):
    def test_beanstalk_knows_each_option_and_value(self):
        for (namespace, name), (text, _) in options().items():
            if namespace in FREE:
                continue
            with self.subTest(namespace=namespace, option=name):
                self.assertIn(name, KNOWN.get(namespace, {}))
                if isinstance(text, str):
                    self.assertRegex(text, f"^({KNOWN[namespace][name]})$")

    def test_values_are_text(self):
        """A YAML true or 300 would reach Beanstalk in another form."""
        for key, (text, _) in options().items():
            self.assertTrue(isinstance(text, (str, dict)), key)

    def test_the_table_matches_the_template(self):
        rows = re.findall(r"^\| `([^`]+)` \| `(\w+)` \| `([^`]*)` \| .+ \|$", (TEMPLATES / "OPTIONS.md").read_text(), re.MULTILINE)
        table = {(namespace, name): text for namespace, name, text in rows}
        self.assertEqual(len(rows), len(table))

        def shown(text):
            return text if isinstance(text, str) else str(text.get("Ref") or text.get("Fn::Sub") or text["Fn::Join"][1]["Ref"])

        template_says = {key: shown(text) for key, (text, _) in options().items()}
        self.assertEqual(table, template_says)

    def test_custom_options_match_those_that_the_bundle_reads(self):
        bundle = (BUNDLE / ".ebextensions/scaling.config").read_text()
        read = set(re.findall(r"OptionName: (\w+)", bundle))
        self.assertEqual(read, {name for namespace, name in options() if namespace == "aws:elasticbeanstalk:customoption"})


class Variables(unittest.TestCase):
    def test_gateways_read_every_variable_that_the_template_sets(self):
        known = configuration()
        self.assertGreater(len(known), 40, "the gateway's table is not understood")
        names = {name for namespace, name in options() if namespace in (VARIABLES, SECRETS)}
        self.assertLessEqual({name for name in names if name.startswith("RTS_")}, set(known))
        self.assertEqual({name for name in names if not name.startswith("RTS_")}, {"AWS_REGION"})

    def test_every_variable_that_a_gateway_requires_is_set(self):
        found = {name: condition for (namespace, name), (_, condition) in options().items() if namespace in (VARIABLES, SECRETS)}
        needed = {name for name, default in configuration().items() if default == "required"}
        self.assertGreaterEqual(len(needed), 5)
        for name in needed:
            self.assertIn(name, found)
            self.assertIsNone(found[name], f"{name} is set under a condition only")
        one_of = {name for name, default in configuration().items() if default == "exactly one of three"}
        self.assertEqual(one_of & set(found), {"RTS_JWKS_URL", "RTS_JWT_SECRET"})
        assertions = template("service")["Rules"]["OneKeySource"]["Assertions"]
        self.assertEqual(set(re.findall(r"Token\w+", str(assertions[0]["Assert"]))), {"TokenKeySetUrl", "TokenSecretArn"})

    def test_no_variable_of_development_is_set(self):
        self.assertFalse([name for _, name in options() if name.startswith("RTS_DEV_")])

    def test_secrets_are_fetched(self):
        secret = {name for namespace, name in options() if namespace == SECRETS}
        self.assertEqual(secret, {"RTS_REDIS_URL", "RTS_CONNECTION_SECRET", "RTS_ID_SECRET", "RTS_JWT_SECRET"})

    def test_functions_read_every_variable_that_the_template_sets(self):
        known = read_by_functions()
        for name, resource in template("data")["Resources"].items():
            if resource["Type"] == "AWS::Lambda::Function":
                variables = set(resource["Properties"]["Environment"]["Variables"])
                self.assertLessEqual(variables, known, name)
                self.assertIn("RTS_REDIS_URL", variables)

    def test_only_loopback_reaches_the_admin_address(self):
        admin = value("RTS_ADMIN_LISTEN", VARIABLES, "small")
        self.assertTrue(admin.startswith("127.0.0.1:"))
        self.assertIn(f'"{admin}"', (BUNDLE / "metrics/prometheus.yaml").read_text())


class AccessLogs(unittest.TestCase):
    def test_the_balancer_writes_no_urls_with_tokens_unless_asked(self):
        platform = template("platform")
        self.assertEqual(platform["Parameters"]["BalancerAccessLogs"]["Default"], "false")
        attributes = platform["Resources"]["Balancer"]["Properties"]["LoadBalancerAttributes"]
        enabled = [a["Value"] for a in attributes if a.get("Key") == "access_logs.s3.enabled"]
        self.assertEqual(enabled, [{"Ref": "BalancerAccessLogs"}])


class Times(unittest.TestCase):
    """The order of the timeouts that lets a node leave without cutting a socket."""

    def number(self, name, namespace, of):
        return int(value(name, namespace, of))

    def test_the_balancer_notices_before_the_gateway_refuses(self):
        for of in SIZES:
            interval, count = (self.number(n, PROCESS, of) for n in ("HealthCheckInterval", "UnhealthyThresholdCount"))
            self.assertLess(interval * count, self.number("RTS_DRAIN_NOTICE_SECONDS", VARIABLES, of))
            self.assertLess(self.number("HealthCheckTimeout", PROCESS, of), interval)

    def test_a_drain_ends_before_the_balancer_cuts_and_before_systemd_kills(self):
        lifecycle = "".join((REPOSITORY / "gateway/src" / name).read_text() for name in ("lifecycle.rs", "node/drain/mod.rs"))
        found = dict(re.findall(r"(\w+): Duration = Duration::from_secs\((\d+)\)", lifecycle))
        last, flush, stop = (int(found[name]) for name in ("LAST", "FLUSH_TIMEOUT", "STOP_TIMEOUT"))
        unit = (BUNDLE / ".platform/hooks/prebuild/10-limits.sh").read_text()
        ours = int(re.search(r"TimeoutStopSec=(\d+)", unit).group(1))
        watch = (REPOSITORY / "gateway/src/leaving/mod.rs").read_text()
        poll = int(re.search(r"WATCH_INTERVAL: Duration = Duration::from_secs\((\d+)\)", watch).group(1))
        for of in SIZES:
            notice, spread = (self.number(n, VARIABLES, of) for n in ("RTS_DRAIN_NOTICE_SECONDS", "RTS_DRAIN_SECONDS"))
            self.assertLess(notice + spread + 2 * poll, self.number("DeregistrationDelay", PROCESS, of))
            self.assertLess(notice + spread + last + flush + stop, ours)
        parameters = template("service")["Parameters"]
        notice, spread = (parameters[name] for name in ("DrainNoticeSeconds", "DrainSeconds"))
        self.assertLess(int(notice["MaxValue"]) + int(spread["MaxValue"]) + last + flush + stop, ours)
        # Without our unit file, systemd allows 90 s.
        self.assertLess(int(notice["Default"]) + int(spread["Default"]) + last + flush + stop, 90)

    def test_a_command_outlasts_the_delay_of_a_batch(self):
        command = self.number("Timeout", "aws:elasticbeanstalk:command", "small") + 240
        self.assertGreater(command, 2 * self.number("DeregistrationDelay", PROCESS, "small"))

    def test_pings_come_well_within_the_balancers_idle_timeout(self):
        attributes = template("platform")["Resources"]["Balancer"]["Properties"]["LoadBalancerAttributes"]
        idle = {a["Key"]: a["Value"] for a in attributes if "Key" in a}["idle_timeout.timeout_seconds"]
        settings = (REPOSITORY / "gateway/src/session/settings.rs").read_text()
        ping = int(re.search(r"keep_alive: Duration::from_secs\((\d+)\)", settings).group(1))
        self.assertGreater(int(idle), 4 * ping)
        self.assertEqual(int(idle), 300)

    def test_a_full_node_still_has_room(self):
        for of in SIZES:
            wanted = int(value("ConnectionsPerNode", "aws:elasticbeanstalk:customoption", of))
            self.assertGreaterEqual(self.number("RTS_LIMIT_NODE_CONNECTIONS", VARIABLES, of), 2 * wanted)

    def test_beanstalks_own_trigger_never_fires(self):
        trigger = "aws:autoscaling:trigger"
        self.assertEqual((value("UpperThreshold", trigger, "small"), value("LowerThreshold", trigger, "small")), ("100", "0"))


class Stacks(unittest.TestCase):
    def test_parameters_come_from_existing_outputs(self):
        outputs = {name: set(template(name).get("Outputs", {})) for name in ("network", "cache", "data", "platform")}
        checked = 0
        for name in ("cache", "platform", "service", "observability"):
            for parameter, spec in template(name)["Parameters"].items():
                source = re.match(r"Of (network|cache|data|platform)\b", spec.get("Description", ""))
                if source and parameter != "PublicName":
                    self.assertIn(parameter, outputs[source.group(1)], f"{name}: {parameter}")
                    checked += 1
        self.assertGreater(checked, 25)

    def test_sizes_hold_valid_parameters(self):
        for of in SIZES:
            for name in ("network", "cache", "data", "platform", "service", "observability"):
                known = template(name)["Parameters"]
                for parameter, text in size(name, of).items():
                    with self.subTest(size=of, template=name, parameter=parameter):
                        spec = known[parameter]
                        if "AllowedValues" in spec:
                            self.assertIn(text, map(str, spec["AllowedValues"]))
                        if spec["Type"] == "Number":
                            self.assertTrue(spec.get("MinValue", 0) <= int(text) <= spec.get("MaxValue", 2**53))
                        if "AllowedPattern" in spec:
                            self.assertRegex(text, f"^(?:{spec['AllowedPattern']})$")

    def test_passwords_need_no_escaping_in_a_url(self):
        resources = template("cache")["Resources"]
        for name in ("SecretA", "SecretB"):
            self.assertEqual(resources[name]["Properties"]["GenerateSecretString"]["ExcludePunctuation"], True)

    def test_redis_evicts_nothing(self):
        properties = template("cache")["Resources"]["Parameters"]["Properties"]["Properties"]
        self.assertEqual(properties["maxmemory-policy"], "noeviction")
        self.assertEqual(properties["cluster-enabled"], "yes")

    def test_the_visibility_timeout_is_six_times_that_of_the_function(self):
        parameters = template("data")["Parameters"]
        for of in SIZES:
            given = size("data", of)
            wait, run = (int(given.get(n, parameters[n]["Default"])) for n in ("VisibilityTimeoutSeconds", "FunctionTimeoutSeconds"))
            self.assertGreaterEqual(wait, 6 * run)


class Documents(unittest.TestCase):
    def test_the_costs_match_the_model(self):
        command = [sys.executable, "-B", REPOSITORY / "deploy/sizing.py"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        table = "".join(line + "\n" for line in printed.splitlines() if line.startswith("|"))
        self.assertIn(table, (REPOSITORY / "deploy/SIZING.md").read_text())

    def test_the_runbook_names_each_alarm(self):
        alarms = set(re.findall(r"^  (\w+):\n    Type: AWS::CloudWatch::Alarm", (TEMPLATES / "observability.yaml").read_text(), re.MULTILINE))
        self.assertGreater(len(alarms), 20)
        runbook = (REPOSITORY / "deploy/RUNBOOK.md").read_text()
        named = set(re.findall(r"`([A-Z]\w+|…\w+|\w+…)`", runbook[runbook.index("## Alarms"):]))
        endings = tuple(name[1:] for name in named if name.startswith("…"))
        self.assertEqual({alarm for alarm in alarms if alarm not in named and not alarm.endswith(endings)}, set())


@unittest.skipUnless(shutil.which("redis-server"), "no redis-server")
class RedisUser(unittest.TestCase):
    """The cache's user may do what the code does, and no more: checked on a Redis 7, over a socket."""

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.socket = f"{directory.name}/redis"
        access = template("cache")["Resources"]["User"]["Properties"]["AccessString"]
        command = ["redis-server", "--port", "0", "--unixsocket", cls.socket, "--save", "", "--user", "rts", "nopass", *access.split()]
        cls.server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=directory.name)
        cls.addClassCleanup(cls.server.wait)
        cls.addClassCleanup(cls.server.terminate)
        for _ in range(100):
            if cls.ask("PING") == "PONG":
                return
        raise AssertionError("Redis did not start")

    @classmethod
    def ask(cls, *words):
        return subprocess.run(["redis-cli", "-s", cls.socket, *words], capture_output=True, text=True).stdout.strip()

    def may(self, *words):
        return self.ask("ACL", "DRYRUN", "rts", *words) == "OK"

    def test_it_may_do_what_the_code_does(self):
        scripts = "".join(p.read_text() for p in (REPOSITORY / "common/src/redis/scripts").glob("*.lua"))
        called = set(re.findall(r"""redis\.p?call\(\s*["'](\w+)["']""", scripts))
        for folder in ("common/src", "gateway/src", "persister/src"):
            for source in (REPOSITORY / folder).rglob("*.rs"):
                if "tests" not in source.parts and source.name != "tests.rs":
                    called |= set(re.findall(r'redis::cmd\("(\w+)"\)', source.read_text()))
        self.assertGreater(len(called), 30)
        names = sorted(called)
        # Each command gets as many of our keys as it takes; one without keys is judged by its name.
        for name in names:
            with self.subTest(command=name):
                count = int(self.ask("COMMAND", "INFO", name).splitlines()[1])
                words = ["rts:{0}:x"] * max(abs(count) - 1, 0)
                answer = self.ask("ACL", "DRYRUN", "rts", name, *words)
                self.assertNotIn("has no permissions to run", answer)
                self.assertNotIn("no permissions to access", answer)

    def test_it_may_do_what_the_client_libraries_need(self):
        for words in (
            ["EVALSHA", "0" * 40, "1", "rts:{0}:room:x"], ["SCRIPT", "LOAD", "return 1"], ["CLUSTER", "SLOTS"],
            ["CLUSTER", "SHARDS"], ["HELLO", "3"], ["CLIENT", "SETNAME", "rts"], ["PING"],
            ["SSUBSCRIBE", "rts:{0}:room:x"], ["SUNSUBSCRIBE", "rts:{0}:room:x"], ["SPUBLISH", "rts:{0}:room:x", "event"],
        ):  # fmt: skip
            with self.subTest(words=words):
                self.assertTrue(self.may(*words), self.ask("ACL", "DRYRUN", "rts", *words))

    def test_it_may_do_nothing_else(self):
        for words in (
            ["FLUSHALL"], ["FLUSHDB"], ["KEYS", "*"], ["CONFIG", "GET", "maxmemory"], ["SHUTDOWN"], ["DEBUG", "SLEEP", "1"],
            ["ACL", "LIST"], ["CLIENT", "KILL", "TYPE", "normal"], ["MONITOR"], ["CLUSTER", "FAILOVER"], ["SCRIPT", "FLUSH"],
            ["FUNCTION", "LOAD", "x"], ["GET", "another"], ["SET", "another", "1"], ["SSUBSCRIBE", "another"], ["PSUBSCRIBE", "*"],
        ):  # fmt: skip
            with self.subTest(words=words):
                self.assertFalse(self.may(*words))


if __name__ == "__main__":
    unittest.main()
