"""The writes of batches are stamped, of streams and of polls."""

from __future__ import annotations

from pathlib import Path

from core.model import Position
from tests.core.instances import ROOM, decoded, frame, settled
from tests.core.test_stamping import rows, said, stamped, who
from tests.transports.direct.sink import FakeSink, Together
from transports.direct.joining import Joining
from transports.direct.returns import Returns


async def test_steps_of_a_direct_subscriber_s_events_are_in_order(tmp_path: Path) -> None:
    async with stamped(tmp_path) as hub:
        alice = await Joining(hub, FakeSink.write_to_each).attach(who(hub, "alice"), ROOM, "test", frame, None)
        sink = FakeSink(alice)
        sink.connect()
        offset = await said(hub, "hello")
        await settled()
        assert [event["content"] for event in decoded(sink.written) if event["type"] == "chat"] == ["hello"]
    steps = rows(tmp_path)[offset]
    assert 0 < steps["accepted_ns"] < steps["appended_ns"] == steps["heard_ns"] < steps["writing_ns"]
    assert steps["writing_ns"] < steps["written_ns"]


async def test_pollers_are_answered_and_their_batch_is_stamped(tmp_path: Path) -> None:
    async with stamped(tmp_path) as hub:
        joining = Joining(hub, FakeSink.write_to_each)
        alice = await joining.attach_poller(who(hub, "alice"), ROOM, "test", frame, None, Together())
        sink = FakeSink(alice)
        sink.connect()
        (joined_event,) = decoded(sink.written)  # an answer, too: the poller asks again
        assert Returns(hub).resume(alice, Position.parse(joined_event["id"])) == []
        offset = await said(hub, "hello")
        await settled()
        assert b"hello" in b"".join(sink.written)
    steps = rows(tmp_path)[offset]
    assert steps["heard_ns"] < steps["writing_ns"] < steps["written_ns"]
