"""Creates and updates the stacks that a stand-in for AWS supports, from outputs to parameters, as a deployment does.

Needs ministack in the Python that runs it (`.local/python/ministack-…/bin/python -m unittest …`, after `cargo local doctor`);
is skipped without it. platform and service are not here: the stand-in has no Beanstalk.
"""

import importlib.util
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

TEMPLATES = pathlib.Path(__file__).resolve().parents[1]
STARTS_WITHIN_SECONDS = 30
KEYS = {"AWS_ACCESS_KEY_ID": "rts-local", "AWS_SECRET_ACCESS_KEY": "rts-local-secret"}
REGION = "us-east-1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@unittest.skipUnless(importlib.util.find_spec("ministack"), "no ministack in this Python")
class Stacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        port = free_port()
        cls.endpoint = f"http://127.0.0.1:{port}"
        cls.directory = tempfile.TemporaryDirectory()
        cls.server = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            cwd=cls.directory.name,
            env={
                "PATH": os.environ.get("PATH", ""),
                "GATEWAY_PORT": str(port),
                "BIND_HOST": "127.0.0.1",
                "AUTH": "true",
                "LOG_LEVEL": "WARNING",
                "IOT_MTLS_ENABLED": "0",
                "AWS_ENDPOINT_URL": cls.endpoint,
                "PYTHONDONTWRITEBYTECODE": "1",
                **KEYS,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        cls.addClassCleanup(cls.stop)
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{cls.endpoint}/_ministack/health", timeout=2).close()
                break
            except OSError:
                if cls.server.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    @classmethod
    def stop(cls):
        cls.server.terminate()
        cls.server.wait(30)
        cls.directory.cleanup()

    def client(self, service):
        import botocore.config
        import botocore.session

        session = botocore.session.get_session()
        session.set_credentials(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"])
        config = botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})
        return session.create_client(service, region_name=REGION, endpoint_url=self.endpoint, config=config)

    def deploy(self, name, verb="create", **parameters):
        formation = self.client("cloudformation")
        getattr(formation, f"{verb}_stack")(
            StackName=f"rts-{name}",
            TemplateBody=(TEMPLATES / f"{name}.yaml").read_text(),
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()],
        )
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while True:
            stack = formation.describe_stacks(StackName=f"rts-{name}")["Stacks"][0]
            if stack["StackStatus"] == f"{verb.upper()}_COMPLETE":
                return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
            if "IN_PROGRESS" not in stack["StackStatus"] or time.monotonic() > deadline:
                events = formation.describe_stack_events(StackName=f"rts-{name}")["StackEvents"]
                reasons = [e for e in events if e["ResourceStatus"].endswith("FAILED")]
                self.fail(f"{name}: {stack['StackStatus']} {reasons}")
            time.sleep(0.1)

    def secret(self, arn):
        return self.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]

    def test_from_an_empty_account_to_alarms(self):
        # The stand-in has neither NAT gateways nor flow logs.
        network = self.deploy("network", Zones=3, NatGateways="none", AllEndpoints="true", FlowLogs="false")
        self.assertEqual(len(network["NodeSubnetIds"].split(",")), 3)
        self.assert_groups(network)

        place = {name: network[name] for name in ("CacheSubnetIds", "CacheGroupId")}
        cache = self.deploy("cache", **place)
        code = {"CodeBucket": "code", "MessageCodeKey": "messages.zip", "RoomCodeKey": "rooms.zip"}
        self.put_code(code)
        of_data = {
            **code,
            "Architecture": "x86_64",
            "SubnetIds": network["NodeSubnetIds"],
            "SecurityGroupIds": network["FunctionGroupId"],
        }
        data = self.deploy("data", **of_data, RedisUrlSecretArn=cache["RedisUrlSecretArn"])
        self.assert_functions_have(data, self.secret(cache["RedisUrlSecretArn"]))
        self.assert_passwords_rotate(place, of_data, cache["RedisUrlSecretArn"])
        self.assert_only_tls(data)
        self.assert_alarms(data, cache)

    def assert_functions_have(self, data, url):
        for name in (data["MessageFunctionName"], data["RoomFunctionName"]):
            function = self.client("lambda").get_function_configuration(FunctionName=name)
            self.assertEqual(function["Environment"]["Variables"]["RTS_REDIS_URL"], url)
            # What a function sets aside goes to the dead letters of its own queue, and it may send there.
            kind = "Message" if name == data["MessageFunctionName"] else "Room"
            side = function["Environment"]["Variables"]["RTS_DEAD_LETTER_QUEUE_URL"]
            self.assertEqual(side, data[f"{kind}DeadLetterQueueUrl"])
            role = function["Role"].rsplit("/", 1)[-1]
            policy = self.client("iam").get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            may_send = [s["Resource"] for s in policy["Statement"] if s["Action"] == "sqs:SendMessage"]
            self.assertEqual(may_send, [data[f"{kind}DeadLetterQueueArn"]])

    def assert_groups(self, network):
        groups = self.client("ec2").describe_security_groups()["SecurityGroups"]
        by_id = {group["GroupId"]: group for group in groups}

        def sources(group_id):
            return {
                (rule["FromPort"], pair["GroupId"])
                for rule in by_id[group_id]["IpPermissions"]
                for pair in rule["UserIdGroupPairs"]
            }

        nodes, ports = network["NodeGroupIds"].split(",")
        self.assertEqual(by_id[nodes]["IpPermissions"], [])
        self.assertEqual(sources(ports), {(8080, network["BalancerGroupId"]), (8080, nodes)})
        self.assertEqual(sources(network["CacheGroupId"]), {(6379, nodes), (6379, network["FunctionGroupId"])})

    def assert_passwords_rotate(self, place, of_data, first):
        """As in the runbook: without downtime."""

        def password(arn):
            urls = self.secret(arn)
            one, other = urls[: len(urls) // 2], urls[len(urls) // 2 + 1 :]
            self.assertEqual(one, other)
            # The stand-in does not know ExcludePunctuation; test_service.py checks it.
            self.assertRegex(one, r"^rediss://rts:.{64}@[^@:/]+:6379$")
            return one.removeprefix("rediss://rts:")[:64]

        slot_a = password(first)
        arn = self.deploy("cache", "update", **place, PasswordB=2)["RedisUrlSecretArn"]
        self.assertEqual((arn, password(arn)), (first, slot_a), "a password that is not yet in use changes nothing")
        arn = self.deploy("cache", "update", **place, PasswordB=2, ActivePassword="B")["RedisUrlSecretArn"]
        self.assertNotEqual(password(arn), slot_a)
        self.assertEqual(password(first), slot_a, "nodes that start with the old one find it")
        data = self.deploy("data", "update", **of_data, RedisUrlSecretArn=arn)
        self.assert_functions_have(data, self.secret(arn))

    def put_code(self, code):
        s3 = self.client("s3")
        s3.create_bucket(Bucket=code["CodeBucket"])
        for key in (code["MessageCodeKey"], code["RoomCodeKey"]):
            # An empty zip file.
            s3.put_object(Bucket=code["CodeBucket"], Key=key, Body=b"PK\x05\x06" + bytes(18))

    def assert_only_tls(self, data):
        """The stand-in has no TLS, so by default it has to reject everything."""
        import botocore.exceptions

        for queue in ("MessageQueueUrl", "RoomQueueUrl", "MessageDeadLetterQueueUrl", "RoomDeadLetterQueueUrl"):
            with self.assertRaisesRegex(botocore.exceptions.ClientError, "AccessDenied", msg=queue):
                self.client("sqs").get_queue_attributes(QueueUrl=data[queue], AttributeNames=["QueueArn"])
        resources = self.client("cloudformation").describe_stack_resources(StackName="rts-data")["StackResources"]
        self.assertLessEqual({"AttachmentsPolicy", "FunctionKey"}, {r["LogicalResourceId"] for r in resources})

    def assert_alarms(self, data, cache):
        names = [f"{cache['ReplicationGroupId']}-000{shard}-00{node}" for shard in (1, 2, 3) for node in (1, 2)]
        known = {
            key: data[key]
            for key in (
                "MessageQueueName", "MessageDeadLetterQueueName", "RoomQueueName", "RoomDeadLetterQueueName",
                "MessageFunctionName", "RoomFunctionName", "RoomsTableName", "MessagesTableName", "ArchiveTableName",
            )
        }  # fmt: skip
        self.deploy(
            "observability",
            **known,
            ReplicationGroupId=cache["ReplicationGroupId"],
            CacheNodeIds=",".join(names),
            BalancerFullName="app/rts/50dc6c495c0c9188",
            BlueTargetGroupFullName="targetgroup/awseb-rts/943f017f100becff",
        )
        watch = self.client("cloudwatch")
        alarms = watch.describe_alarms()["MetricAlarms"]
        watched = {(alarm.get("MetricName"), d["Value"]) for alarm in alarms for d in alarm.get("Dimensions", [])}
        for name in names:
            self.assertIn(("EngineCPUUtilization", name), watched)
        self.assertIn(("ApproximateNumberOfMessagesVisible", data["MessageDeadLetterQueueName"]), watched)
        self.assertIn(("ApproximateNumberOfMessagesVisible", data["RoomDeadLetterQueueName"]), watched)
        self.assertTrue(all(alarm["AlarmActions"] for alarm in alarms))
        (dashboard,) = watch.list_dashboards()["DashboardEntries"]
        body = watch.get_dashboard(DashboardName=dashboard["DashboardName"])["DashboardBody"]
        self.assertNotIn("${", body)
        self.assertGreater(len(json.loads(body)["widgets"]), 10)


if __name__ == "__main__":
    unittest.main()
