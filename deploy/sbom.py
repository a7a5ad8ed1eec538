#!/usr/bin/env python3
"""Writes the bill of materials of what is deployed: the crates in the gateway and the functions, the packages in the web app.

  sbom.py OUT.json [--platform TARGET]

CycloneDX 1.6 in JSON. Equal lock files give equal bytes. What only builds or tests is left out. Reads Cargo.lock by `cargo
metadata`, and gateway/web/package-lock.json.
"""

import argparse
import base64
import json
import pathlib
import subprocess
import sys
import tomllib
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOYED = ("rts-gateway", "rts-persister")
PLATFORM = "x86_64-unknown-linux-gnu"


def metadata(platform):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", platform]
    # Without a network first: what was built is there.
    for more in (["--offline"], []):
        answer = subprocess.run(command + more, cwd=ROOT, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return json.loads(answer.stdout)
    raise SystemExit(answer.stderr.strip())


def crates(platform):
    """Returns the crates that are linked into what is deployed, as components."""
    known = metadata(platform)
    packages = {package["id"]: package for package in known["packages"]}
    edges = {
        node["id"]: [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        for node in known["resolve"]["nodes"]
    }
    ahead = [id for id, package in packages.items() if package["name"] in DEPLOYED]
    reached = set(ahead)
    while ahead:
        fresh = set(edges[ahead.pop()]) - reached
        reached |= fresh
        ahead += fresh
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in locked}
    for id in reached:
        package = packages[id]
        if package["source"] is None:
            continue
        name, version = package["name"], package["version"]
        checksum = checksums[name, version]
        yield component("cargo", name, version, package["license"], [("SHA-256", checksum)])


def web():
    """Returns the packages in the web app, as components."""
    lock = json.loads((ROOT / "gateway/web/package-lock.json").read_text())
    for path, package in lock["packages"].items():
        if path and not package.get("dev") and not package.get("optional"):
            name = path.rpartition("node_modules/")[2]
            algorithm, _, digest = package["integrity"].partition("-")
            hashes = [(algorithm.upper().replace("SHA", "SHA-"), base64.b64decode(digest).hex())]
            yield component("npm", name, package["version"], package.get("license"), hashes)


def component(kind, name, version, license, hashes):
    purl = f"pkg:{kind}/{urllib.parse.quote(name, safe='/')}@{urllib.parse.quote(version)}"
    found = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    found["hashes"] = [{"alg": algorithm, "content": content} for algorithm, content in hashes if content]
    if license:
        # Some crates still write "MIT/Apache-2.0".
        found["licenses"] = [{"expression": license.replace("/", " OR ")}]
    return found


def bill(platform):
    components = sorted([*crates(platform), *web()], key=lambda each: each["purl"])
    name = json.dumps(components, sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "rts", "bom-ref": "rts"}},
        "components": components,
    }


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--platform", default=PLATFORM)
    options = parser.parse_args(arguments)
    options.out.write_text(json.dumps(bill(options.platform), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
