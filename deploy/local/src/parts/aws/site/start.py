"""Starts the AWS stand-in with its patches. Each module here changes one thing and says why."""

import logging
import socketserver

import faults
import mend
import server

# Its Lambda runtime API answers in two writes; with Nagle's algorithm each invocation waits 40 ms.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

# Logs of the functions appear in the stand-in's log; everything else keeps its level.
logging.getLogger("lambda").setLevel(logging.INFO)


def main():
    mend.all()

    import shortcut
    from ministack import app

    server.apply(lambda application: faults.wrap(application, shortcut.wrap(application)))
    app.main()


if __name__ == "__main__":
    main()
