"""Guarantee 5: content leaves as HTML text, escaped exactly once, live and from history."""

from __future__ import annotations

import html
import re

import pytest

from tests.contracts.kit.server import ServerProcess
from tests.contracts.targets import TRANSPORTS, Connect

TYPED = [
    "<script>alert(1)</script>",
    "<img src=x onerror=\"alert('1')\">",
    "a < b && c > d",
    "&lt;b&gt; was escaped already",
    "&amp;amp;",
    "&#60;script&#62; &notanentity; &",
    "\"double\" and 'single'",
    "</textarea><svg/onload=alert`1`>",
    "tab\tand\nnewline",
    "the lines\r\nof a form\rand\r\n\r\nid: 0\r\ndata: no field",
]
_ENTITY = re.compile(r"&(amp|lt|gt|quot|apos|#39|#x27|#34|#x22|#60|#62|#38);", re.IGNORECASE)


def assert_html_text_of(content: str, typed: str) -> None:
    assert not re.search("[<>\"']", content), f"unescaped: {content!r}"
    assert "&" not in _ENTITY.sub("", content), f"a bare ampersand: {content!r}"
    assert html.unescape(content) == typed
    assert len(_ENTITY.findall(content)) == len(re.findall("[<>\"'&]", typed)), "escaped more than once"


async def test_live_events_are_escaped_once(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    for typed in TYPED:
        await alice.publish(typed)
        assert_html_text_of((await alice.next_chat()).text("content"), typed)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("publisher", ["websocket", "sse"])
async def test_history_is_escaped_once(every: ServerProcess, connect: Connect, publisher: str, transport: str) -> None:
    alice = await connect("alice", transport=publisher)
    since = alice.position
    for typed in TYPED:
        await alice.publish(typed)
    reader = await connect("bob", transport=transport, since=since)
    for typed in TYPED:
        assert_html_text_of((await reader.next_chat()).text("content"), typed)
