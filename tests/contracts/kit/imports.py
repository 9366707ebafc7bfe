"""The modules that servers import; imported once, in the process that servers are forked from."""

from importlib import import_module

from transports.registry import TRANSPORTS, load

for module in (
    "core.backplane.redis",
    "transports.__main__",
    "transports.certificate",
    "transports.http2.server",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_impl",
):
    import_module(module)
for transport in TRANSPORTS:
    load(transport)
