"""The modules that servers import, imported once, in the process that servers are forked from."""

import gc
from importlib import import_module
from importlib.util import find_spec

from transports.registry import TRANSPORTS, load

for module in (
    "core.backplane.redis",
    "tests.contracts.kit.prepared",  # which begins each fork
    "transports.__main__",
    "transports.certificate",
    "transports.http2.server",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_impl",
):
    import_module(module)
if find_spec("transports.direct") is not None:
    import_module("transports.direct.path")
for transport in TRANSPORTS:
    load(transport)

# A collection in a fork would write to every object of these modules, and so copy all their memory.
gc.collect()
gc.freeze()
