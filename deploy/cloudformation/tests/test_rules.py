"""Each rule of `rules/` accepts good resources and finds each bad one. Needs cfn-lint in the Python that runs it."""

import copy
import json
import pathlib
import unittest

from cfnlint.api import lint
from cfnlint.config import ManualArgs
from cfnlint.rules import RulesCollection

TEMPLATES = pathlib.Path(__file__).resolve().parents[1]
ALLOW = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
DENY_PLAIN = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
BLOCKED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
NOWHERE = [{"IpProtocol": "-1", "CidrIp": "127.0.0.1/32"}]


def option(namespace, name, value):
    return {"Namespace": f"aws:{namespace}", "OptionName": name, "Value": value}


def environment(*changes):
    """A correct environment, with the given options replaced, or left out if they have no value."""
    options = [
        option("autoscaling:launchconfiguration", "DisableIMDSv1", "true"),
        option("elasticbeanstalk:cloudwatch:logs", "StreamLogs", "true"),
        option("elasticbeanstalk:cloudwatch:logs", "RetentionInDays", "30"),
        option("elasticbeanstalk:application:environmentsecrets", "RTS_REDIS_URL", "arn:aws:secretsmanager:x"),
    ]
    names = {change["OptionName"] for change in changes}
    options = [o for o in options if o["OptionName"] not in names] + [c for c in changes if c["Value"] is not None]
    return {"Type": "AWS::ElasticBeanstalk::Environment", "Properties": {"ApplicationName": "a", "OptionSettings": options}}


GOOD = {
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"SqsManagedSseEnabled": True}},
    "QueuePolicy": {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {"Version": "2012-10-17", "Statement": [DENY_PLAIN]}},
    },
    "Bucket": {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
            "PublicAccessBlockConfiguration": dict.fromkeys(BLOCKED, True),
        },
    },
    "BucketPolicy": {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": {"Version": "2012-10-17", "Statement": [DENY_PLAIN]}},
    },
    "Listener": {
        "Type": "AWS::ElasticLoadBalancingV2::Listener",
        "Properties": {
            "LoadBalancerArn": "arn",
            "Port": 443,
            "Protocol": "HTTPS",
            "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
            "DefaultActions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        },
    },
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ],
            },
            "Policies": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [ALLOW]}}],
        },
    },
    "Template": {
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {"LaunchTemplateData": {"MetadataOptions": {"HttpTokens": "required"}}},
    },
    "Function": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": "f",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": {"S3Bucket": "b", "S3Key": "k"},
            "Environment": {"Variables": {"RTS_REDIS_URL": "{{resolve:secretsmanager:s}}"}},
            "KmsKeyArn": "arn:aws:kms:eu-west-1:111122223333:key/x",
        },
    },
    "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/lambda/f", "RetentionInDays": 30}},
    "Cache": {
        "Type": "AWS::ElastiCache::ReplicationGroup",
        "DeletionPolicy": "Snapshot",
        "UpdateReplacePolicy": "Snapshot",
        "Properties": {
            "ReplicationGroupDescription": "d",
            "TransitEncryptionEnabled": True,
            "TransitEncryptionMode": "required",
            "AtRestEncryptionEnabled": True,
        },
    },
    "Group": {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {
            "GroupDescription": "g",
            "SecurityGroupIngress": [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}],
            "SecurityGroupEgress": NOWHERE,
        },
    },
    "Environment": environment(),
}


def bad(name, *path, value=None):
    """The good resources, with one of them changed in one place."""
    resources = copy.deepcopy(GOOD)
    place = resources[name]
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return resources


def statement(name, **change):
    resources = copy.deepcopy(GOOD)
    properties = resources[name]["Properties"]
    document = properties["Policies"][0]["PolicyDocument"] if name == "Role" else properties["PolicyDocument"]
    document["Statement"][0].update(change)
    return resources


P = "Properties"
INGRESS = {"IpProtocol": "tcp", "FromPort": 6379, "ToPort": 6379, "CidrIp": "0.0.0.0/0"}
CONDITIONAL = {"Fn::If": ["X", {**ALLOW, "Action": "s3:Get*"}, {"Ref": "AWS::NoValue"}]}
BAD = [
    ("E9101", "a queue without a policy", {k: v for k, v in GOOD.items() if k != "QueuePolicy"}),
    ("E9101", "a policy that denies nothing", statement("QueuePolicy", Effect="Allow", Principal={"Service": "x"})),
    ("E9101", "a policy that denies TLS", statement("BucketPolicy", Condition={"Bool": {"aws:SecureTransport": "true"}})),
    ("E9101", "a policy of another bucket", bad("BucketPolicy", P, "Bucket", value="other")),
    ("E9101", "old TLS", bad("Listener", P, "SslPolicy", value="ELBSecurityPolicy-2016-08")),
    ("E9101", "plain HTTP", bad("Listener", P, "Protocol", value="HTTP")),
    ("E9101", "Redis without TLS", bad("Cache", P, "TransitEncryptionEnabled", value="false")),
    ("E9101", "Redis with or without TLS", bad("Cache", P, "TransitEncryptionMode", value="preferred")),
    ("E9102", "a queue in the clear", bad("Queue", P, "SqsManagedSseEnabled")),
    ("E9102", "a bucket in the clear", bad("Bucket", P, "BucketEncryption")),
    ("E9102", "a public bucket", bad("Bucket", P, "PublicAccessBlockConfiguration", "BlockPublicAcls", value="false")),
    ("E9102", "Redis in the clear", bad("Cache", P, "AtRestEncryptionEnabled")),
    ("E9102", "a topic in the clear", {**GOOD, "Topic": {"Type": "AWS::SNS::Topic"}}),
    ("E9102", "a table in the clear", {**GOOD, "Table": {"Type": "AWS::DynamoDB::Table", P: {}}}),
    ("E9103", "every action", statement("Role", Action="*")),
    ("E9103", "every action of a service, among others", statement("Role", Action=["sqs:SendMessage", "sqs:*"])),
    ("E9103", "some actions by a pattern", statement("Role", Action="s3:Get*")),
    ("E9103", "all but one action", statement("Role", NotAction="iam:PassRole")),
    ("E9103", "everybody", statement("QueuePolicy", Effect="Allow", Principal="*", Action="sqs:SendMessage")),
    ("E9103", "a pattern under a condition", bad("Role", P, "Policies", 0, "PolicyDocument", "Statement", value=[CONDITIONAL])),
    ("E9104", "a template with IMDSv1", bad("Template", P, "LaunchTemplateData", "MetadataOptions")),
    ("E9104", "an environment with IMDSv1", {**GOOD, "Environment": environment(option("x", "DisableIMDSv1", None))}),
    (
        "E9104",
        "an environment that says so",
        {**GOOD, "Environment": environment(option("autoscaling:launchconfiguration", "DisableIMDSv1", "false"))},
    ),
    ("E9105", "logs for ever", bad("Logs", P, "RetentionInDays")),
    ("E9105", "a function without a log group", bad("Logs", P, "LogGroupName", value="/aws/lambda/g")),
    ("E9105", "a bucket that goes", bad("Bucket", "DeletionPolicy")),
    ("E9105", "a cache that is replaced", bad("Cache", "UpdateReplacePolicy", value="Delete")),
    ("E9105", "an environment's logs for ever", {**GOOD, "Environment": environment(option("x", "RetentionInDays", None))}),
    (
        "E9106",
        "a secret in an environment's variables",
        {**GOOD, "Environment": environment(option("elasticbeanstalk:application:environment", "RTS_JWT_SECRET", "s"))},
    ),
    ("E9106", "a secret in a function's variables", bad("Function", P, "KmsKeyArn")),
    ("E9107", "Redis open to all", bad("Group", P, "SecurityGroupIngress", value=[INGRESS])),
    ("E9107", "a group that may go anywhere", bad("Group", P, "SecurityGroupEgress")),
]


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rules = RulesCollection()
        cls.rules.create_from_directory(str(TEMPLATES / "rules"))

    def found(self, text):
        config = ManualArgs(regions=["us-east-1"])
        return {match.rule.id for match in lint(text, self.rules, ["us-east-1"], config)}

    def template(self, resources, parameters=None):
        template = {"AWSTemplateFormatVersion": "2010-09-09", "Parameters": parameters or {}, "Resources": resources}
        template["Parameters"]["Way"] = {"Type": "String", "AllowedValues": ["a", "b"]}
        template["Conditions"] = {"X": {"Fn::Equals": [{"Ref": "Way"}, "a"]}}
        return json.dumps(template)

    def test_good_resources_pass(self):
        self.assertEqual(self.found(self.template(GOOD)), set())

    def test_each_bad_resource_is_found_by_its_rule(self):
        for rule, what, resources in BAD:
            with self.subTest(rule=rule, what=what):
                self.assertIn(rule, self.found(self.template(resources)))

    def test_each_rule_has_a_bad_resource(self):
        self.assertLessEqual({rule.id for rule in self.rules if rule.id.startswith("E91")}, {rule for rule, _, _ in BAD})

    def test_a_password_parameter_must_be_hidden(self):
        shown, hidden = {"Type": "String"}, {"Type": "String", "NoEcho": True}
        self.assertIn("E9106", self.found(self.template(GOOD, {"DatabasePassword": shown})))
        self.assertNotIn("E9106", self.found(self.template(GOOD, {"DatabasePassword": hidden})))

    def test_the_templates_comply(self):
        templates = sorted(TEMPLATES.glob("*.yaml"))
        self.assertGreaterEqual(len(templates), 6)
        for template in templates:
            with self.subTest(template=template.name):
                self.assertEqual(self.found(template.read_text()), set())


if __name__ == "__main__":
    unittest.main()
