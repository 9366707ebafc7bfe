"""The ASGI lifespan of an app, and apps that are made when they are first called.

uvicorn and Hypercorn serve on after an exception in the lifespan, and print it. So whatever is wrong at the start is
answered by `lifespan.startup.failed` with one sentence, after which every server that runs the lifespan exits.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from core.errors import NOT_ENTERED, Unavailable
from core.settings import SettingError
from transports.errors import deny, http_response

_log: Final = logging.getLogger("rtlab.app")
_START_FAILED: Final = 3  # the exit code that uvicorn and gunicorn have for it


class LabApp(Starlette):
    """A Starlette app that answers a SettingError of its lifespan with its sentence."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._made_with = tuple(self.user_middleware)

    def is_called_by(self, served: object) -> bool:
        """Whether a server that serves `served` calls this app, and nobody has put anything before its routes."""
        if isinstance(served, LazyApp):
            served = served.made()
        return served is self and tuple(self.user_middleware) == self._made_with

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See Starlette."""
        if scope["type"] != "lifespan":
            scope["app"] = self  # as Starlette's, which would be one more coroutine to each request
            self.middleware_stack = self.middleware_stack or self.build_middleware_stack()
            await self.middleware_stack(scope, receive, send)
            return
        await receive()
        stage = "startup"
        try:
            async with self.router.lifespan_context(self):
                await send({"type": "lifespan.startup.complete"})
                stage = "shutdown"
                await receive()
        except SettingError as error:
            await fail_start(error, send)
        except BaseException:
            await send({"type": f"lifespan.{stage}.failed", "message": traceback.format_exc()})
            raise
        else:
            await send({"type": "lifespan.shutdown.complete"})


class LazyApp:
    """An app that costs its module nothing to import: `make` is called by the first scope, and reads the settings then.

    Every ASGI server's loader finds it, since it is a plain attribute, and an object whose `__call__` is a coroutine.
    """

    def __init__(self, make: Callable[[], Starlette]) -> None:
        self._make = make
        self._app: Starlette | None = None
        self._refused = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Without usable settings a lifespan fails with the sentence, and a request is answered by 503."""
        try:
            app = self.made()
        except SettingError as error:
            await self._refuse(error, scope, receive, send)
        else:
            await app(scope, receive, send)

    def made(self) -> Starlette:
        """The Starlette app behind it. Raises SettingError."""
        if self._app is None:
            self._app = self._make()
        return self._app

    async def _refuse(self, error: SettingError, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await fail_start(error, send)
            return
        if not self._refused:  # the server runs no lifespan, or it would have ended
            self._refused = True
            _log.error("%s", error)
        refusal = Unavailable(NOT_ENTERED)
        if scope["type"] == "websocket":
            await deny(WebSocket(scope, receive, send), refusal)
        else:
            await http_response(refusal)(scope, receive, send)


async def fail_start(error: SettingError, send: Send) -> None:
    """Answer `lifespan.startup.failed`, and end at once in a worker process of a server.

    Else Hypercorn prints a traceback of its own, and uvicorn may take a worker that is slow to end for one that hangs:
    it then starts the next.
    """
    worker = multiprocessing.parent_process() is not None
    try:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
    except Exception:  # Hypercorn's answer
        if not worker:
            raise
        print(f"rtlab: {error}", file=sys.stderr)
    if worker:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_START_FAILED)
