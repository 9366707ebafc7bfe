"""What servers import sooner or later; imported once, in the process that they are forked from."""

import uvicorn.lifespan.on
import uvicorn.loops.uvloop
import uvicorn.protocols.http.httptools_impl
import uvicorn.protocols.websockets.websockets_impl  # noqa: F401

import core.backplane.redis
import transports.__main__
import transports.http2.certificate
import transports.http2.server
from transports.registry import TRANSPORTS, load

for name in TRANSPORTS:
    load(name)
