"""Stands for the command line of AWS, as far as `cargo deploy` uses it: aws_stub.py STATE ARGUMENT…

STATE is a JSON file. Everything is done at once. `failAt` in it is the number of changes until one fails, and `hasEffect`
says whether that one is done nevertheless.
"""

import json
import pathlib
import re
import sys

TEMPLATES = pathlib.Path(__file__).resolve().parents[3] / "cloudformation"
READS = ("describe-", "head-", "get-", "list-")
EMPTY = {"stacks": {}, "sets": {}, "objects": [], "buckets": [], "versions": [], "out": {}, "log": [], "failAt": -1, "hasEffect": False}


def missing(what):
    raise SystemExit(f"An error occurred: {what} does not exist")


def option(name, default=None):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def targets(state, side):
    """The nodes of an environment: each runs as soon as its stack exists."""
    taken = state["out"].get(side, [])
    return [f"i-{side}-{n}" for n in (1, 2)], taken


class Calls:
    def __init__(self, state):
        self.state = state

    def describe_stacks(self):
        name = option("--stack-name")
        stack = self.state["stacks"].get(name) or missing(f"Stack with id {name}")
        pairs = lambda known, key, value: [{key: k, value: v} for k, v in known.items()]  # noqa: E731
        outputs = {o: f"{o}-of-{name}" for o in stack["outputs"]}
        return {"Stacks": [{"StackStatus": stack["status"], "Parameters": pairs(stack["parameters"], "ParameterKey", "ParameterValue"),
                            "Outputs": pairs(outputs, "OutputKey", "OutputValue")}]}  # fmt: skip

    def create_change_set(self):
        name, template = option("--stack-name"), pathlib.Path(option("--template-body").removeprefix("file://")).read_text()
        old = self.state["stacks"].get(name, {}).get("parameters", {})
        section = re.search(r"^Parameters:\n((?:(?: .*)?\n)+)", template, re.MULTILINE).group(1)
        known = {n: m.group(1) if (m := re.search(rf"^  {n}:\n(?:    .*\n)*?    Default: \"?([^\"\n]*)", section, re.MULTILINE)) else ""
                 for n in re.findall(r"^  (\w+):$", section, re.MULTILINE)}  # fmt: skip
        for given in json.loads(option("--parameters")):
            assert given["ParameterKey"] in known, given
            known[given["ParameterKey"]] = old[given["ParameterKey"]] if given.get("UsePreviousValue") else given["ParameterValue"]
        outputs = re.findall(r"^  (\w+):$", template[template.index("\nOutputs:"):] if "\nOutputs:" in template else "", re.MULTILINE)
        self.state["sets"][name] = {"parameters": known, "outputs": outputs, "isSame": known == old}

    def describe_change_set(self):
        if self.state["sets"][option("--stack-name")]["isSame"]:
            return {"Status": "FAILED", "StatusReason": "The submitted information didn't contain changes."}
        change = {"Action": "Modify", "LogicalResourceId": "It", "ResourceType": "AWS::EC2::VPC", "Replacement": "False"}
        if option("--stack-name") in self.state.get("loses", []):
            change = {**change, "ResourceType": "AWS::DynamoDB::Table", "Replacement": "True"}
        return {"Status": "CREATE_COMPLETE", "Changes": [{"ResourceChange": change}]}

    def delete_change_set(self):
        self.state["sets"].pop(option("--stack-name"), None)

    def execute_change_set(self):
        name = option("--stack-name")
        made = self.state["sets"].pop(name)
        status = "UPDATE_COMPLETE" if name in self.state["stacks"] else "CREATE_COMPLETE"
        self.state["stacks"][name] = {"status": status, "parameters": made["parameters"], "outputs": made["outputs"]}

    def update_stack(self):
        stack = self.state["stacks"][option("--stack-name")]
        given = [g for g in json.loads(option("--parameters")) if "ParameterValue" in g]
        stack["parameters"].update({g["ParameterKey"]: g["ParameterValue"] for g in given})
        stack["status"] = "UPDATE_COMPLETE"

    def delete_stack(self):
        name = option("--stack-name")
        platform = self.state["stacks"].get("rts-platform", {"parameters": {}})["parameters"]
        side = name.removeprefix("rts-service-")
        assert not platform.get(f"{side.capitalize()}TargetGroupArn"), f"the rule names the target group of {side}"
        self.state["stacks"].pop(name, None)

    def describe_environment_resources(self):
        side = "green" if option("--environment-name").endswith("green") else "blue"
        if f"rts-service-{side}" not in self.state["stacks"]:
            missing(f"No Environment found: {side}")
        nodes, _ = targets(self.state, side)
        return {"EnvironmentResources": {"Instances": [{"Id": n} for n in nodes], "AutoScalingGroups": [{"Name": f"asg-{side}"}]}}

    def describe_auto_scaling_groups(self):
        side = option("--auto-scaling-group-names").removeprefix("asg-")
        return {"AutoScalingGroups": [{"TargetGroupARNs": [f"arn:targets/{side}"]}]}

    def describe_target_health(self):
        side = option("--target-group-arn").rsplit("/", 1)[1]
        nodes, taken = targets(self.state, side)
        healthy = [{"Target": {"Id": n}, "TargetHealth": {"State": "healthy"}} for n in nodes if n not in taken]
        return {"TargetHealthDescriptions": healthy}

    def deregister_targets(self):
        node = option("--targets").removeprefix("Id=")
        side = node.split("-")[1]
        weight = self.state["stacks"]["rts-platform"]["parameters"][f"{side.capitalize()}Weight"]
        assert weight == "0", f"{node} has clients"
        self.state["out"].setdefault(side, []).append(node)

    def register_targets(self):
        node = option("--targets").removeprefix("Id=")
        self.state["out"][node.split("-")[1]].remove(node)

    def get_caller_identity(self):
        return {"Account": "111122223333"}

    def head_bucket(self):
        if option("--bucket") not in self.state["buckets"]:
            missing("Not Found: the bucket")

    def create_bucket(self):
        self.state["buckets"].append(option("--bucket"))

    def put_public_access_block(self):
        pass

    def head_object(self):
        if f"s3://{option('--bucket')}/{option('--key')}" not in self.state["objects"]:
            missing("Not Found: the object")

    def cp(self):
        assert pathlib.Path(sys.argv[4]).is_file(), sys.argv[4]
        self.state["objects"].append(sys.argv[5])

    def create_storage_location(self):
        return {"S3Bucket": "elasticbeanstalk-eu-central-1-111122223333"}

    def describe_application_versions(self):
        return {"ApplicationVersions": [v for v in self.state["versions"] if v == option("--version-labels")]}

    def create_application_version(self):
        self.state["versions"].append(option("--version-label"))

    def list_platform_versions(self):
        name = "arn:aws:elasticbeanstalk:eu-central-1::platform/Go 1 running on 64bit Amazon Linux 2023/4.4.0"
        return {"PlatformSummaryList": [{"PlatformArn": "arn:aws:elasticbeanstalk:::platform/Docker"}, {"PlatformArn": name}]}

    def describe_replication_groups(self):
        return {"ReplicationGroups": [{"MemberClusters": ["rts-0001-001", "rts-0001-002"]}]}


def main():
    file, action = pathlib.Path(sys.argv[1]), sys.argv[3]
    state = json.loads(file.read_text()) if file.exists() else EMPTY
    fails = False
    if not action.startswith(READS):
        fails, state["failAt"] = state["failAt"] == 0, state["failAt"] - 1
        if fails and not state["hasEffect"]:
            file.write_text(json.dumps(state))
            raise SystemExit("the connection was cut")
        state["log"].append(" ".join([action, option("--stack-name", "")]).strip())
    answer = getattr(Calls(state), action.replace("-", "_"))()
    file.write_text(json.dumps(state))
    if fails:
        raise SystemExit("the connection was cut")
    if answer is not None:
        print(json.dumps(answer))


main()
