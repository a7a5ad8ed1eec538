"""Read by Python at the start of the AWS stand-in, which is found by PYTHONPATH."""

import logging
import socketserver

# Its Lambda runtime API answers in two writes; with Nagle's algorithm each invocation waits 40 ms.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

# What the functions log appears in the stand-in's log; the rest of it stays at its own level.
logging.getLogger("lambda").setLevel(logging.INFO)
