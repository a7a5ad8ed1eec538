"""Deploys the data template on the AWS stand-in, as on AWS.

Reads one JSON object on standard input:
  {"endpoint", "region", "stack", "template": path, "parameters": {name: value},
   "codeBucket", "code": {parameter: {"name", "files": {name in zip: text}}},
   "feedsFunctions": whether the queues feed the functions}
   "feedsFunctions": true if the queues feed the functions}
"""

import hashlib
import io
import json
import sys
import time
import zipfile

import botocore.config
import botocore.exceptions
import botocore.session

DEADLINE_SECONDS = 60


def code_zip(files):
    """Builds a zip; equal files give equal bytes, so that a key changes only with the code."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


def upload_code(s3, bucket, code):
    try:
        s3.create_bucket(Bucket=bucket)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
    keys = {}
    for parameter, function in code.items():
        body = code_zip(function["files"])
        key = f"{function['name']}-{hashlib.sha256(body).hexdigest()[:16]}.zip"
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        keys[parameter] = key
    return keys


def submit(cloudformation, request):
    """Creates or updates the stack; returns False if nothing changed."""
    try:
        cloudformation.create_stack(**request)
        return True
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "AlreadyExistsException":
            raise
    try:
        cloudformation.update_stack(**request)
        return True
    except botocore.exceptions.ClientError as error:
        if "No updates" not in str(error):
            raise
        return False


def wait(cloudformation, name):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        status = stack["StackStatus"]
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return stack
        if "IN_PROGRESS" not in status:
            raise SystemExit(f"stack {name}: {status}\n{reasons(cloudformation, name)}")
        if time.monotonic() > deadline:
            raise SystemExit(f"stack {name}: still {status} after {DEADLINE_SECONDS} s")
        time.sleep(0.1)


def reasons(cloudformation, name):
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return "\n".join(
        f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
    )


def switch_sources(functions, enabled):
    """Enables or disables the event source mappings, which the template always enables."""
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        if (mapping["State"] in ("Enabled", "Enabling")) != enabled:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)


def main():
    order = json.load(sys.stdin)
    session = botocore.session.get_session()
    config = botocore.config.Config(
        s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=30
    )

    def client(service):
        return session.create_client(
            service, region_name=order["region"], endpoint_url=order["endpoint"], config=config
        )

    keys = upload_code(client("s3"), order["codeBucket"], order["code"])
    parameters = {**order["parameters"], "CodeBucket": order["codeBucket"], **keys}
    with open(order["template"], encoding="utf-8") as file:
        template = file.read()
    cloudformation = client("cloudformation")
    submit(
        cloudformation,
        {
            "StackName": order["stack"],
            "TemplateBody": template,
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": str(value)}
                for name, value in parameters.items()
            ],
        },
    )
    stack = wait(cloudformation, order["stack"])
    switch_sources(client("lambda"), order["feedsFunctions"])
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    json.dump(outputs, sys.stdout)


if __name__ == "__main__":
    main()
