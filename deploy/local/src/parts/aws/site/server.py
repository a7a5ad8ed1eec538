"""HTTP by uvicorn: the stand-in's own server is pure Python and takes more than half the time of a small request."""

import asyncio

import hypercorn.asyncio
import uvicorn
import uvloop

KEEP_ALIVE_SECONDS = 75
# Long polls may still be in flight at the end.
GRACE_SECONDS = 3


def apply(wrap):
    """Makes the stand-in's `main` start this server, with a wrapped application."""

    async def serve(application, config):
        host, port = config.bind[0].rsplit(":", 1)
        await uvicorn.Server(
            uvicorn.Config(
                wrap(application),
                host=host,
                port=int(port),
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                backlog=1024,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        ).serve()

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    hypercorn.asyncio.serve = serve
