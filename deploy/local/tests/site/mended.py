"""Imported first by the tests of patched modules: applies the patches once."""

import os

# No state file is written or read.
os.environ.pop("PERSIST_STATE", None)

import mend

mend.all()
