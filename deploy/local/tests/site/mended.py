"""Imported first by tests of what is mended: mends it once."""

import os

# No file of a state is written or read.
os.environ.pop("PERSIST_STATE", None)

import mend

mend.all()
