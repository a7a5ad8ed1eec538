"""The surroundings of a node on AWS, as far as the bundle meets them: metadata, Auto Scaling, the balancer, a gateway."""

import http.server
import importlib.machinery
import importlib.util
import pathlib
import sys
import threading
import time

BUNDLE = pathlib.Path(__file__).resolve().parents[1]
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/awseb/50dc6c495c0c9188"

# A gateway as the scripts see it: records its file limits, answers on its admin address, and exits when drained.
GATEWAY = """#!/usr/bin/env python3
import http.server, os, resource, sys
class Admin(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(202 if self.path == "/drain" else 404)
        self.end_headers()
        self.server.drained = self.path == "/drain"
    def log_message(self, *_):
        pass
host, port = os.environ["RTS_ADMIN_LISTEN"].split(":")
http.server.HTTPServer.allow_reuse_address = True
server = http.server.HTTPServer((host, int(port)), Admin)
server.drained, server.timeout = False, 0.1
with open(os.environ["STARTS"], "a") as starts:
    starts.write("%d %d\\n" % resource.getrlimit(resource.RLIMIT_NOFILE))
while not server.drained:
    server.handle_request()
"""


def load(path, name):
    """Loads a script as a module."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def until(condition, seconds=20, what="it"):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Aws(http.server.ThreadingHTTPServer):
    """Answers for the instance metadata and for both services."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.lifecycle, self.target, self.refuses, self.asked = "InService", "healthy", False, []
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def stop(self):
        self.shutdown()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        self.say("a-session" if self.path == "/latest/api/token" else None)

    def do_GET(self):
        if self.path.startswith("/latest/"):
            # IMDSv2 answers only with a session token.
            known = self.headers.get("X-aws-ec2-metadata-token") == "a-session"
            return self.say(self.metadata(self.path.removeprefix("/latest/meta-data/")) if known else None)
        self.server.asked.append(self.path)
        if self.server.refuses or "Credential=AKID/" not in self.headers.get("authorization", ""):
            return self.say(None)
        return self.say(self.service())

    def metadata(self, path):
        credentials = '{"AccessKeyId": "AKID", "SecretAccessKey": "secret", "Token": "token"}'
        return {
            "autoscaling/target-lifecycle-state": self.server.lifecycle,
            "placement/region": "eu-west-1",
            "instance-id": "i-1",
            "iam/security-credentials/": "node",
            "iam/security-credentials/node": credentials,
        }.get(path)

    def service(self):
        result = {
            "DescribeAutoScalingInstances": "<AutoScalingGroupName>awseb</AutoScalingGroupName>",
            "DescribeAutoScalingGroups": f"<TargetGroupARNs><member>{GROUP}</member></TargetGroupARNs>",
            "DescribeTargetHealth": f"<TargetHealth><State>{self.server.target}</State></TargetHealth>",
        }[self.path.split("Action=")[1].split("&")[0]]
        return f'<Response xmlns="http://aws/"><Result><member>{result}</member></Result></Response>'

    def say(self, text):
        body = (text or "").encode()
        self.send_response(404 if text is None else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
