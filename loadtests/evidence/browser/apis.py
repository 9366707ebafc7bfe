"""Which of the APIs that transports need a page finds in this browser: the live side of `loadtests.evidence.support`.

That it is there, not that it works: the lanes' cells of the same run show which of them carry messages.
"""

from __future__ import annotations

import json

import msgspec

from loadtests.evidence.browser.engines import Browser
from loadtests.records.errors import BrowserError
from loadtests.records.schema import Value

EXPRESSIONS = {
    "websocket": "typeof WebSocket === 'function'",
    "eventsource": "typeof EventSource === 'function'",
    "response-body": "typeof ReadableStream === 'function' && new Response('x').body instanceof ReadableStream",
    "xhr": "typeof XMLHttpRequest === 'function'",
    "fetch": "typeof fetch === 'function'",
    "webtransport": "typeof WebTransport === 'function'",
}
"""By the API's name in the support facts. HTTP/2 and its push show themselves to a server only, not to a page."""

_TIMEOUT_S = 20.0


def present(browser: Browser, tab: str) -> dict[str, Value]:
    """Return `api.NAME`: whether a page in `tab` has it. Raises BrowserError."""
    asked = ", ".join(f"{json.dumps(name)}: {expression}" for name, expression in EXPRESSIONS.items())
    said = browser.evaluate(tab, f"Promise.resolve(JSON.stringify({{{asked}}}))", _TIMEOUT_S)
    try:
        found = msgspec.json.decode(said, type=dict[str, bool])
    except msgspec.MsgspecError as error:
        raise BrowserError(f"the page answered what it should not: {error}") from error
    return {f"api.{name}": there for name, there in found.items()}
