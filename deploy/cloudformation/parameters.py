#!/usr/bin/env python3
"""Prints the parameters of a stack as JSON, for `aws cloudformation deploy --parameter-overrides file://…`.

  parameters.py TEMPLATE SIZE [NAME=VALUE …]

The last source wins: `parameters/SIZE/TEMPLATE.json`, the outputs of the existing stacks (rts-network, rts-cache, rts-data,
rts-platform; with NamePrefix=… before them) that have a parameter's name, the command line. Reads the stacks with the AWS CLI.
"""

import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = ("network", "cache", "data", "platform")
# Parameters named differently from the output that they take.
RENAMED = {("data", "SubnetIds"): "NodeSubnetIds", ("data", "SecurityGroupIds"): "FunctionGroupId"}


def names(template):
    """Reads the parameters of a template by the layout of our files, without a YAML library."""
    text = (HERE / f"{template}.yaml").read_text()
    section = re.search(r"^Parameters:\n((?:(?: .*)?\n)+)", text, re.MULTILINE).group(1)
    return re.findall(r"^  (\w+):$", section, re.MULTILINE)


def outputs(prefix):
    """The outputs that other stacks use; a missing stack gives none."""
    found = {}
    for source in SOURCES:
        command = ["aws", "cloudformation", "describe-stacks", "--stack-name", f"{prefix}rts-{source}", "--output", "json"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            if "does not exist" not in answer.stderr:
                raise SystemExit(answer.stderr.strip())
            continue
        for output in json.loads(answer.stdout)["Stacks"][0].get("Outputs", []):
            found[output["OutputKey"]] = output["OutputValue"]
    return found


def collect(template, size, known, given):
    """The stack's parameters; rejects names that the template does not have."""
    wanted = names(template)
    file = HERE / "parameters" / size / f"{template}.json"
    values = {item["ParameterKey"]: item["ParameterValue"] for item in json.loads(file.read_text())}
    for name in wanted:
        source = RENAMED.get((template, name), name)
        if source in known:
            values[name] = known[source]
    values.update(given)
    strange = sorted(set(values) - set(wanted))
    if strange:
        raise SystemExit(f"{template} has no parameter {', '.join(strange)}")
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]


def main(arguments):
    if len(arguments) < 2 or not all("=" in argument for argument in arguments[2:]):
        raise SystemExit(__doc__)
    template, size = arguments[:2]
    given = dict(argument.split("=", 1) for argument in arguments[2:])
    print(json.dumps(collect(template, size, outputs(given.get("NamePrefix", "")), given), indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
