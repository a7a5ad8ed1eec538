"""Starts the AWS stand-in with what is mended in it. Each module here mends one thing and says why."""

import logging
import socketserver

import faults
import mend
import server

# Its Lambda runtime API answers in two writes; with Nagle's algorithm each invocation waits 40 ms.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

# What the functions log appears in the stand-in's log; the rest of it stays at its own level.
logging.getLogger("lambda").setLevel(logging.INFO)


def main():
    mend.all()

    import shortcut
    from ministack import app

    server.apply(lambda application: faults.wrap(application, shortcut.wrap(application)))
    app.main()


if __name__ == "__main__":
    main()
