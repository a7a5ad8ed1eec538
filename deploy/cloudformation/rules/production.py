"""Requirements for every template here, as rules of cfn-lint (`cfn-lint --append-rules deploy/cloudformation/rules`).

A value set by a parameter complies if the parameter allows no other; conditional values are checked in both
branches.
"""

import re

from cfnlint.rules import CloudFormationLintRule, RuleMatch

# Variables that must not be readable by everyone who may view an environment or a function.
SECRET_NAME = re.compile(r"SECRET|PASSWORD|PRIVATE_KEY|REDIS_URL$")
# Ports that may be open to any address: the redirect, and TLS.
PUBLIC_PORTS = (80, 443)
ANY_ADDRESS = ("0.0.0.0/0", "::/0")
TLS_POLICIES = re.compile(r"^ELBSecurityPolicy-TLS13-1-[23]-")


def _resources(cfn, kind):
    """Name, resource and properties of each resource of a kind."""
    for name, resource in cfn.get_resources(kind).items():
        yield name, resource, resource.get("Properties", {})


def _ways(value):
    """A value, or both branches of an `If` (and of nested ones), without `NoValue`."""
    if isinstance(value, dict) and set(value) == {"Fn::If"}:
        return [way for branch in value["Fn::If"][1:] for way in _ways(branch)]
    return [] if value == {"Ref": "AWS::NoValue"} else [value]


def _list(value):
    """A list, whose items may be conditional; a single value counts as a list of one."""
    items = [way for way in _ways(value) if way is not None]
    return [way for item in items for part in (item if isinstance(item, list) else [item]) for way in _ways(part)]


def _is_true(value):
    return str(value).lower() == "true"


def _statements(document):
    return [s for s in _list((document or {}).get("Statement")) if isinstance(s, dict)]


def _policies(cfn):
    """Every policy document, with the path to it."""
    for name, _, properties in _resources(cfn, "AWS::IAM::Role"):
        yield ["Resources", name, "Properties", "AssumeRolePolicyDocument"], properties.get("AssumeRolePolicyDocument")
        for policy in _list(properties.get("Policies")):
            yield ["Resources", name, "Properties", "Policies"], policy.get("PolicyDocument")
    keys = {"AWS::KMS::Key": "KeyPolicy"}
    for kind in (
        "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy",
        "AWS::KMS::Key", "AWS::EC2::VPCEndpoint", "AWS::SecretsManager::ResourcePolicy",
    ):  # fmt: skip
        for name, _, properties in _resources(cfn, kind):
            key = keys.get(kind, "PolicyDocument")
            yield ["Resources", name, "Properties", key], properties.get(key)


def _options(cfn):
    """Options of Beanstalk environments by (namespace, name), each with all its conditional values."""
    for name, _, properties in _resources(cfn, "AWS::ElasticBeanstalk::Environment"):
        options = {}
        for option in _list(properties.get("OptionSettings")):
            options.setdefault((option.get("Namespace"), option.get("OptionName")), []).append(option.get("Value"))
        yield ["Resources", name, "Properties", "OptionSettings"], options


class PlainTransport(CloudFormationLintRule):
    id = "E9101"
    shortdesc = "Only by TLS"
    description = "Queues, topics and buckets refuse requests without TLS; listeners and Redis speak it"
    tags = ["rts", "tls"]

    def match(self, cfn):
        matches = []
        for kind, policy_kind, key in (
            ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues"),
            ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics"),
            ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket"),
        ):
            kept = {
                target.get("Ref")
                for _, _, properties in _resources(cfn, policy_kind)
                if any(map(self._denies_plain, _statements(properties.get("PolicyDocument"))))
                for target in _list(properties.get(key))
                if isinstance(target, dict)
            }
            for name, _, _ in _resources(cfn, kind):
                if name not in kept:
                    matches.append(RuleMatch(["Resources", name], f"{name} takes requests without TLS"))
        for name, _, properties in _resources(cfn, "AWS::ElasticLoadBalancingV2::Listener"):
            path = ["Resources", name, "Properties"]
            actions = {action.get("Type") for action in _list(properties.get("DefaultActions"))}
            if properties.get("Protocol") == "HTTPS":
                if not TLS_POLICIES.match(str(properties.get("SslPolicy"))):
                    matches.append(RuleMatch(path, f"{name} speaks old TLS"))
            elif actions != {"redirect"}:
                matches.append(RuleMatch(path, f"{name} serves without TLS"))
        for name, _, properties in _resources(cfn, "AWS::ElastiCache::ReplicationGroup"):
            mode = properties.get("TransitEncryptionMode")
            if not _is_true(properties.get("TransitEncryptionEnabled")) or mode not in (None, "required"):
                matches.append(RuleMatch(["Resources", name, "Properties"], f"{name} speaks without TLS"))
        return matches

    @staticmethod
    def _denies_plain(statement):
        condition = statement.get("Condition", {}).get("Bool", {})
        denies = statement.get("Effect") == "Deny" and statement.get("Principal") in ("*", {"AWS": "*"})
        return denies and str(condition.get("aws:SecureTransport")).lower() == "false"


class AtRest(CloudFormationLintRule):
    id = "E9102"
    shortdesc = "Encrypted at rest"
    description = "Whatever keeps data encrypts it, and no bucket is public"
    tags = ["rts", "encryption"]

    def match(self, cfn):
        checks = {
            "AWS::SQS::Queue": lambda p: _is_true(p.get("SqsManagedSseEnabled")) or p.get("KmsMasterKeyId"),
            "AWS::SNS::Topic": lambda p: p.get("KmsMasterKeyId"),
            "AWS::S3::Bucket": self._bucket,
            "AWS::DynamoDB::Table": lambda p: _is_true((p.get("SSESpecification") or {}).get("SSEEnabled")),
            "AWS::ElastiCache::ReplicationGroup": lambda p: _is_true(p.get("AtRestEncryptionEnabled")),
            "AWS::EC2::Volume": lambda p: _is_true(p.get("Encrypted")),
        }
        return [
            RuleMatch(["Resources", name, "Properties"], f"{name} is not encrypted at rest, or is public")
            for kind, is_kept in checks.items()
            for name, _, properties in _resources(cfn, kind)
            if not is_kept(properties)
        ]

    @staticmethod
    def _bucket(properties):
        blocked = properties.get("PublicAccessBlockConfiguration") or {}
        four = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
        return properties.get("BucketEncryption") and all(_is_true(blocked.get(name)) for name in four)


class LeastPrivilege(CloudFormationLintRule):
    id = "E9103"
    shortdesc = "No wildcard in what is allowed"
    description = "A statement that allows names its actions and not everybody; what it denies may be everything"
    tags = ["rts", "iam"]

    def match(self, cfn):
        matches = []
        for path, document in _policies(cfn):
            for statement in _statements(document):
                if statement.get("Effect") != "Allow":
                    continue
                for action in _list(statement.get("Action")):
                    if "*" in str(action):
                        matches.append(RuleMatch(path, f"allows {action}"))
                if "NotAction" in statement or "NotPrincipal" in statement:
                    matches.append(RuleMatch(path, "allows all but something"))
                if statement.get("Principal") in ("*", {"AWS": "*"}):
                    matches.append(RuleMatch(path, "allows everybody"))
        return matches


class Metadata(CloudFormationLintRule):
    id = "E9104"
    shortdesc = "IMDSv2 only"
    description = "Instances answer questions for their credentials by sessions only"
    tags = ["rts", "ec2"]

    def match(self, cfn):
        matches = []
        for name, _, properties in _resources(cfn, "AWS::EC2::LaunchTemplate"):
            data = properties.get("LaunchTemplateData") or {}
            if (data.get("MetadataOptions") or {}).get("HttpTokens") != "required":
                matches.append(RuleMatch(["Resources", name, "Properties"], f"{name} leaves IMDSv1 on"))
        for path, options in _options(cfn):
            values = options.get(("aws:autoscaling:launchconfiguration", "DisableIMDSv1"), [])
            if not values or not all(map(_is_true, values)):
                matches.append(RuleMatch(path, "DisableIMDSv1 is not true"))
        return matches


class Retention(CloudFormationLintRule):
    id = "E9105"
    shortdesc = "Logs end, data stays"
    description = "Every log group has a retention, every function a log group; tables, buckets and caches outlive their stack"
    tags = ["rts", "retention"]

    def match(self, cfn):
        matches = []
        groups = set()
        for name, _, properties in _resources(cfn, "AWS::Logs::LogGroup"):
            groups.add(str(properties.get("LogGroupName")))
            if not properties.get("RetentionInDays"):
                matches.append(RuleMatch(["Resources", name, "Properties"], f"{name} keeps logs for ever"))
        for name, _, properties in _resources(cfn, "AWS::Lambda::Function"):
            function = properties.get("FunctionName")
            text = function.get("Fn::Sub") if isinstance(function, dict) else function
            named = f"/aws/lambda/{text}"
            if not {named, str({"Fn::Sub": named})} & groups:
                matches.append(RuleMatch(["Resources", name], f"{name} would make a log group that never ends"))
        for kind in ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::ElastiCache::ReplicationGroup"):
            for name, resource, _ in _resources(cfn, kind):
                if not {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")} <= {"Retain", "Snapshot"}:
                    matches.append(RuleMatch(["Resources", name], f"{name} goes with its stack"))
        for path, options in _options(cfn):
            logs = "aws:elasticbeanstalk:cloudwatch:logs"
            if not options.get((logs, "StreamLogs")) or not options.get((logs, "RetentionInDays")):
                matches.append(RuleMatch(path, "logs are not streamed, or are kept for ever"))
        return matches


class PlainSecrets(CloudFormationLintRule):
    id = "E9106"
    shortdesc = "No secret in plain variables"
    description = "Secrets of environments are fetched by nodes; variables of functions that hold one are encrypted with a key"
    tags = ["rts", "secrets"]

    def match(self, cfn):
        matches = []
        for path, options in _options(cfn):
            for namespace, name in options:
                if namespace == "aws:elasticbeanstalk:application:environment" and SECRET_NAME.search(str(name)):
                    matches.append(RuleMatch(path, f"{name} belongs in environmentsecrets"))
        for name, _, properties in _resources(cfn, "AWS::Lambda::Function"):
            variables = (properties.get("Environment") or {}).get("Variables") or {}
            holds = any(
                "{{resolve:" in str(way) or (SECRET_NAME.search(variable) and not isinstance(way, dict))
                for variable, value in variables.items()
                for way in _ways(value)
            )
            if holds and not properties.get("KmsKeyArn"):
                path = ["Resources", name, "Properties", "Environment"]
                matches.append(RuleMatch(path, f"{name} shows a secret to whoever may look at it"))
        for name, resource in (cfn.template.get("Parameters") or {}).items():
            secret = re.search(r"(Password|Secret)$", name)
            if secret and resource.get("Type") == "String" and not _is_true(resource.get("NoEcho")) and not resource.get("AllowedValues"):
                matches.append(RuleMatch(["Parameters", name], f"{name} is shown to whoever may look at the stack"))
        return matches


class OpenPorts(CloudFormationLintRule):
    id = "E9107"
    shortdesc = "Few doors"
    description = "Only the balancer's ports are open to all, and every group says where it may go"
    tags = ["rts", "network"]

    def match(self, cfn):
        matches = []
        for name, _, properties in _resources(cfn, "AWS::EC2::SecurityGroup"):
            path = ["Resources", name, "Properties"]
            if not _list(properties.get("SecurityGroupEgress")):
                matches.append(RuleMatch(path, f"{name} may go anywhere"))
            for rule in _list(properties.get("SecurityGroupIngress")):
                source = rule.get("CidrIp", rule.get("CidrIpv6"))
                if isinstance(source, dict):
                    parameter = (cfn.template.get("Parameters") or {}).get(source.get("Ref"), {})
                    source = parameter.get("Default", ANY_ADDRESS[0])
                ports = (rule.get("FromPort"), rule.get("ToPort"))
                if source in ANY_ADDRESS and (ports[0] != ports[1] or ports[0] not in PUBLIC_PORTS):
                    matches.append(RuleMatch(path, f"{name} lets anybody in at {ports[0]}"))
        return matches
