"""Polls of the portable sink that are held without a task, when client, connection, token, room or server ends."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import SlowConsumer
from core.model import Position, RoomId
from tests.transports.access import token
from tests.transports.served import WAITS_S, Attached, Run, begun, check_last, go_behind_another_request, serving, until


@pytest.mark.parametrize("how", ["close", "abort", "half"])
def test_a_poller_that_goes_is_missed(run: Run, how: str) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            alice.go(how)
            await until(lambda: server.held == 0 and not server.state.connections)
            await server.say("1")

    run(main())


def test_a_poller_that_goes_is_missed_behind_another_request_too(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            await go_behind_another_request(alice)

    run(main())


def test_what_comes_behind_a_poll_that_waits_is_answered_behind_it(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            at, held = alice.position, alice.poll()
            alice.writer.write(held + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.02)
            await server.say("1")
            assert [(await alice.answer()).said for _ in range(2)] == [["1"]] * 2
            assert "application/json" in (await alice.answer()).head
            alice.position = at
            assert (await alice.ask(alice.poll())).said == ["1"]
            await alice.wait(alice.poll())
            await server.say("2")
            assert (await alice.answer()).said == ["2"]

    run(main())


@pytest.mark.parametrize("how", ["drains", "is left"])
def test_who_is_answered_as_it_ends_is_answered_once_and_counted_out_once(run: Run, how: str) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            await server.say("1")  # its answer goes out at the end of the turn
            if how == "drains":
                server.hub.drain()
            else:
                await server.hub.leave(server.hub.admit(token(), "lobby"), "lobby")
            assert (await alice.answer()).said == ["1"]
            await until(lambda: server.held == 0)
            answer = await alice.ask(alice.poll("wait=0&since={}"))
            assert answer.status == (503 if how == "drains" else 200)
            assert server.held == 0

    run(main())


def test_a_server_that_drains_tells_who_waits_and_who_comes_back(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            waiting, back = await begun(server), await server.client()
            await back.ask(back.poll("wait=25"))
            server.hub.drain()
            for answer in (await waiting.answer(), await back.ask(back.poll())):
                assert answer.status == 503
                assert "\r\nretry-after: " in answer.head
            for protocol in list(server.state.connections):
                protocol.shutdown()
            for client in (waiting, back):
                async with asyncio.timeout(WAITS_S):
                    assert await client.reader.read() == b""

    run(main())


def test_a_server_that_ends_closes_behind_the_answer(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            for protocol in list(server.state.connections):
                protocol.shutdown()
            await check_last(server, alice)

    run(main())


def test_a_token_ends_the_poll_that_it_began_and_lets_no_other_begin(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice, now = await begun(server), server.hub.wall_clock
            server.hub._timekeeper._wall_clock = lambda: now() + 1e6
            assert (await alice.answer()).status == 401
            server.hub._timekeeper._wall_clock = now
            await alice.wait(alice.poll())
            await server.say("1")
            assert (await alice.answer()).said == ["1"]
            server.hub.wall_clock = lambda: now() + 1e6
            assert (await alice.ask(alice.poll())).status == 401

    run(main())


def test_a_poller_that_leaves_is_answered_and_no_member(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            await server.hub.leave(server.hub.admit(token(), "lobby"), RoomId("lobby"))
            assert [event["type"] for event in (await alice.answer()).events] in ([], ["user_left"])
            await server.hub._timekeeper._leases._prolong_due()
            assert (await server.hub.members("lobby"))[1] == ()
            await alice.ask(alice.poll("wait=0.01&since={}"))
            assert [each.user_id for each in (await server.hub.members("lobby"))[1]] == ["alice"]

    run(main())


def test_one_that_was_held_long_stays_a_member_until_its_lease_has_run_out_again(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice, leases = await begun(server), server.hub.leases
            server.hub.leases._fresh_s = 0.0
            await server.say("1")
            await alice.answer()
            (due,) = leases._due
            assert (due.room, due.user_id) == ("lobby", "alice")

    run(main())


def test_a_room_that_begins_anew_sends_who_waits_there(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            channel = server.hub._channels.get(RoomId("lobby"))
            channel._jump("epoch_changed", Position("another0001", 0))
            answer = await alice.answer()
            assert [event["type"] for event in answer.events] == ["resync"]
            assert answer.position == "another0001:0"

    run(main())


def test_more_than_an_outbox_holds_is_read_from_history(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice, at = await begun(server), ""
            at = alice.position
            (subscription,) = server.hub._channels.subscriptions()
            subscription.cut()
            assert isinstance(subscription._end, SlowConsumer)
            answer = await alice.answer()
            assert (answer.status, answer.events, answer.position) == (200, [], at)
            for content in ("1", "2"):
                await server.say(content)
                assert (await alice.ask(alice.poll())).said == [content]
            await alice.wait(alice.poll())
            assert len(server.state.tasks) == 0, "the short way is taken again"

    run(main())


def test_one_that_reads_no_answers_is_waited_for(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            await server.say("1")
            await alice.answer()
            (protocol,) = server.protocols
            protocol.flow.pause_writing()
            attached = Attached(server)
            alice.writer.write(alice.poll())
            await until(lambda: server.held == 1)
            assert attached.count == 1
            await server.say("2")
            protocol.flow.resume_writing()
            assert (await alice.answer()).said == ["2"]

    run(main())
