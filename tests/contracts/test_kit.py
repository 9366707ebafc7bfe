"""The suite's own checks, given what a broken server would send: each must object."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.kit.clients import WebSocketClient
from tests.contracts.kit.clients.poll import parse_answer
from tests.contracts.kit.events import ContractViolationError, Event, Position, parse_event
from tests.contracts.kit.eventstream import EventStreamParser
from tests.contracts.kit.pool import Variant

CHAT: dict[str, object] = {
    "type": "chat",
    "id": "abcdefgh:5",
    "room": "r",
    "userId": "u",
    "content": "x",
    "timestamp": 1,
}


CHANGES: tuple[dict[str, object], ...] = (
    {"type": "shout"},
    {"extra": 1},
    {"id": "abcdefgh"},
    {"id": 5},
    {"timestamp": "1"},
    {"timestamp": True},
    {"content": None},
    {"ref": 1},
)


@pytest.mark.parametrize("changed", CHANGES)
def test_event_outside_the_contract_is_a_violation(changed: dict[str, object]) -> None:
    assert parse_event(json.dumps(CHAT)).text("content") == "x"
    with pytest.raises(ContractViolationError):
        parse_event(json.dumps(CHAT | changed))


@pytest.mark.parametrize("name", [name for name in CHAT if name != "type"])
def test_missing_field_is_a_violation(name: str) -> None:
    with pytest.raises(ContractViolationError, match=name):
        parse_event(json.dumps({key: value for key, value in CHAT.items() if key != name}))


@pytest.mark.parametrize("text", ['{"type":"pong","type":"pong"}', '{"type":"pong","ref":NaN}', "[]"])
def test_what_is_no_strict_json_object_is_a_violation(text: str) -> None:
    with pytest.raises(ContractViolationError):
        parse_event(text)


class Replay(WebSocketClient):
    """A client that receives what a list holds."""

    def __init__(self, *ids: str) -> None:
        super().__init__("http://127.0.0.1", "r", "u", "")
        self.position = Position("abcdefgh", 4)
        self._ahead.extend(Event("chat", CHAT | {"id": id_}) for id_ in ids)


@pytest.mark.parametrize("second", ["abcdefgh:7", "abcdefgh:5", "abcdefgh:4", "hgfedcba:6"])
async def test_hole_repetition_and_foreign_epoch_are_violations(second: str) -> None:
    client = Replay("abcdefgh:5", second)
    await client.next_event()
    with pytest.raises(ContractViolationError):
        await client.next_event()


async def test_next_offset_is_none() -> None:
    client = Replay("abcdefgh:5", "abcdefgh:6")
    assert [event.text("content") for event in await client.next_chats(2)] == ["x", "x"]


@pytest.mark.parametrize(
    ("answer", "since"),
    [
        ({"events": [], "position": "abcdefgh:1"}, None),
        ({"events": [], "position": "abcdefgh:1", "recovered": True}, None),
        ({"events": [], "position": "abcdefgh:1", "recovered": False}, "abcdefgh:1"),
        ({"events": [CHAT], "position": "abcdefgh:5", "recovered": False}, None),
    ],
)
def test_poll_answer_outside_the_contract_is_a_violation(answer: dict[str, object], since: str | None) -> None:
    with pytest.raises(ContractViolationError):
        parse_answer(json.dumps(answer).encode(), since)


def test_servers_over_redis_have_databases_of_their_own() -> None:
    variant = Variant("redis", redis_url="redis://127.0.0.1:6379/0")
    assert [variant.settings(number)["REDIS_URL"] for number in range(2)] == [
        "redis://127.0.0.1:6379/1",
        "redis://127.0.0.1:6379/2",
    ]
    assert "REDIS_URL" not in Variant("memory").settings(0)


STREAM = ": hello\r\nretry: 50\nid: a:1\rdata: one\u2028line\n\n:beat\n\nid: a:2\ndata:two\r\n\r\n".encode()


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_event_stream_parser_does_not_mind_the_split(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    parser = EventStreamParser()
    blocks = [block for start, end in pairwise(edges) for block in parser.feed(STREAM[start:end])]
    assert [(block.id, block.data, block.retry_ms, block.comments) for block in blocks] == [
        ("a:1", "one\u2028line", 50, ["hello"]),
        (None, None, None, ["beat"]),
        ("a:2", "two", None, []),
    ]
