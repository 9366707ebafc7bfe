"""The race page's server as somebody else's app mounts it: under a prefix, its lifespan entered by the outer app."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.routing import Mount

from transports.app import create_app

os.environ["RTLAB_DEMO"] = "1"
rooms = create_app("all")
app = Starlette(routes=[Mount("/some/lab", rooms)], lifespan=rooms.router.lifespan_context)
