"""The bill of materials of what is deployed."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
DEPLOY = HERE.parent.parent


def made(path):
    subprocess.run([sys.executable, DEPLOY / "sbom.py", path], check=True)
    return json.loads(path.read_text())


class Bill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name) / "sbom.json"
        cls.bill = made(cls.path)
        cls.known = {each["purl"]: each for each in cls.bill["components"]}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_it_has_what_runs_and_not_what_builds_or_tests(self):
        names = {(purl.split("/")[0], each["name"]) for purl, each in self.known.items()}
        for crate in ("tokio", "rustls", "jsonwebtoken", "aws-sdk-dynamodb", "lambda_runtime"):
            self.assertIn(("pkg:cargo", crate), names)
        self.assertIn(("pkg:npm", "@microsoft/signalr"), names)
        for absent in (("pkg:cargo", "proptest"), ("pkg:cargo", "rts-gateway"), ("pkg:npm", "typescript")):
            self.assertNotIn(absent, names)

    def test_each_component_has_a_hash_and_a_license_and_is_there_once(self):
        self.assertEqual(len(self.known), len(self.bill["components"]))
        self.assertGreater(len(self.known), 150)
        for purl, each in self.known.items():
            self.assertTrue(each["licenses"][0]["expression"], purl)
            self.assertRegex(each["hashes"][0]["content"], r"^[0-9a-f]{64,128}$", purl)

    def test_versions_are_those_of_the_lock_file(self):
        locked = dict(re.findall(r'name = "(tokio|rustls)"\nversion = "([^"]+)"', (DEPLOY.parent / "Cargo.lock").read_text()))
        for name, version in locked.items():
            self.assertIn(f"pkg:cargo/{name}@{version}", self.known)

    def test_equal_sources_give_equal_bytes(self):
        other = self.path.with_name("again.json")
        made(other)
        self.assertEqual(other.read_bytes(), self.path.read_bytes())
