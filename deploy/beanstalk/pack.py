#!/usr/bin/env python3
"""Packs binaries for AWS: the bundle of a Beanstalk version, or the zip of a function.

  pack.py bundle OUT.zip --gateway BINARY [--web DIRECTORY] [--sbom FILE] [--architecture x86_64|arm64]
  pack.py function OUT.zip --binary BINARY [--architecture x86_64|arm64]

Equal files give equal bytes. Rejects a binary that Amazon Linux 2023 cannot start: one for another architecture, or one that
needs a newer glibc than 2.34. Prints the SHA-256 of the result, for its key in S3.
"""

import argparse
import hashlib
import pathlib
import re
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
# The files of this folder that belong in a bundle.
FILES = ("Procfile", ".platform/**/*", ".ebextensions/*", "metrics/*")
GLIBC_MAX = (2, 34)
MACHINES = {62: "x86_64", 183: "arm64"}
# The path of the development login, which stands in a gateway that has it.
DEV_LOGIN = b"/dev/token"
FUNCTION_BYTES_MAX = 250 * 1024 * 1024


def check(binary, architecture):
    """Rejects a binary that would not start there."""
    head = binary[:20]
    if head[:4] != b"\x7fELF":
        raise SystemExit("no Linux binary")
    machine = MACHINES.get(int.from_bytes(head[18:20], "little"), "another architecture")
    if machine != architecture:
        raise SystemExit(f"the binary is of {machine}, not of {architecture}")
    versions = {tuple(map(int, v)) for v in re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?=[.\0])", binary)}
    newest = max(versions, default=(0, 0))
    if newest > GLIBC_MAX:
        raise SystemExit("the binary wants glibc {}.{}, and Amazon Linux 2023 has {}.{}".format(*newest, *GLIBC_MAX))


def check_login(gateway):
    """Rejects a gateway that could give tokens to anyone: the login for development is compiled in by default."""
    if DEV_LOGIN in gateway:
        raise SystemExit("the gateway has the development login: build it with --no-default-features")


def write(out, entries):
    """Writes a reproducible zip of entries: name, bytes, and True for an executable."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data, executed in sorted(entries):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = (0o100755 if executed else 0o100644) << 16
            archive.writestr(entry, data)
    print(hashlib.sha256(pathlib.Path(out).read_bytes()).hexdigest())


def bundle(gateway, web, bill=None):
    paths = [path for pattern in FILES for path in HERE.glob(pattern) if path.is_file()]
    entries = [(str(path.relative_to(HERE)), path.read_bytes(), is_executed(path)) for path in paths]
    entries.append(("bin/rts-gateway", gateway, True))
    if bill:
        entries.append(("sbom.cdx.json", bill.read_bytes(), False))
    if web:
        if not (web / "index.html").is_file():
            raise SystemExit(f"{web} has no index.html: it is not the built web app")
        files = [path for path in web.rglob("*") if path.is_file()]
        entries += [("web/" + path.relative_to(web).as_posix(), path.read_bytes(), False) for path in files]
    return entries


def is_executed(path):
    """Decides by the folder, because a checkout may lose file modes."""
    return path.parent.name == "bin" or path.suffix == ".sh"


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", choices=["bundle", "function"])
    parser.add_argument("out")
    parser.add_argument("--gateway", "--binary", dest="binary", type=pathlib.Path, required=True)
    parser.add_argument("--web", type=pathlib.Path)
    parser.add_argument("--sbom", type=pathlib.Path)
    parser.add_argument("--architecture", choices=sorted(MACHINES.values()), default="x86_64")
    options = parser.parse_args(arguments)
    binary = options.binary.read_bytes()
    check(binary, options.architecture)
    if options.what == "bundle":
        check_login(binary)
        return write(options.out, bundle(binary, options.web, options.sbom))
    if len(binary) > FUNCTION_BYTES_MAX:
        raise SystemExit("the binary is larger than Lambda takes: strip it")
    return write(options.out, [("bootstrap", binary, True)])


if __name__ == "__main__":
    main(sys.argv[1:])
