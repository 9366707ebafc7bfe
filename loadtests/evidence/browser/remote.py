"""Commands and answers as JSON over a WebSocket: what CDP and WebDriver BiDi have in common."""

from __future__ import annotations

import itertools
import json
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from loadtests.records.errors import BrowserError

Json = dict[str, Any]


class Remote:
    """One debugging connection; one command at a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    def call(self, method: str, parameters: Json, *, timeout_s: float = 30.0, **envelope: str) -> Json:
        """Send a command and return its result. Raises BrowserError when it is refused or not answered."""
        number = next(self._ids)
        try:
            self._socket.send(json.dumps({"id": number, "method": method, "params": parameters, **envelope}))
            while True:
                answer: Json = json.loads(self._socket.recv(timeout=timeout_s))
                if answer.get("id") == number:
                    break  # events and answers to nobody are passed over
        except TimeoutError:
            raise BrowserError(f"the browser did not answer {method} within {timeout_s:g} s") from None
        except ConnectionClosed:
            raise BrowserError(f"the browser ended during {method}") from None
        if "error" in answer:
            raise BrowserError(f"the browser refused {method}: {answer.get('message') or answer['error']}")
        result: Json = answer["result"]
        return result
