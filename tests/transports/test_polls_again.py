"""The portable sink's polls that differ from the last one on their connection in their query only, by sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import SlowConsumer
from core.model import Position, RoomId
from tests.transports.access import token
from tests.transports.served import WAITS_S, Client, Run, Server, serving, until
from transports import longpoll
from transports.lifespan import LazyApp


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    return asyncio.run if request.param == "asyncio" else uvloop.run


class Attached:
    """Counts what the app itself has answered: it attaches a subscriber for each."""

    def __init__(self, server: Server) -> None:
        self.count = 0
        attach = server.hub.attach

        def counted(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            return attach(*arguments, **named)

        server.hub.attach = counted


async def begun(server: Server) -> Client:
    """One whose next poll is held by the short way."""
    client = await server.client()
    await client.ask(client.poll("wait=25"))
    attached = Attached(server)
    await client.wait(client.poll())
    assert (attached.count, len(server.state.tasks)) == (0, 0)
    return client


def test_who_polls_again_gets_what_the_app_would_have_said(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice, bob = await begun(server), await server.client()
            bob.position = alice.position
            for content in ("hello", "and again"):
                await bob.wait(bob.poll("wait=25&since={}", f"X-Other: {content}"))  # parsed: another head each time
                await server.say(content)
                short, long = await alice.answer(), await bob.answer()
                assert (short.said, short.head, short.body) == ([content], long.head, long.body)
                await alice.wait(alice.poll())
            assert len(server.state.tasks) == 0
            assert server.hub.stats.deliveries["longpoll"] == 4

    run(main())


def test_what_was_missed_is_told_at_once_and_one_turns_news_together(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            for content in "12":
                await server.say(content)
            assert (await alice.answer()).said == ["1", "2"]
            before = alice.position
            for content in "34":
                await server.say(content)
            assert (await alice.ask(alice.poll())).said == ["3", "4"]
            alice.position = before
            assert (await alice.ask(alice.poll())).said == ["3", "4"], "nothing is consumed by an answer"
            assert server.held == 0

    run(main())


@pytest.mark.parametrize("wait", ["0.05", "0.2"])
def test_a_poll_without_news_ends_in_time(run: Run, wait: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(longpoll, "_ALONE_S", 0.1)

    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            await server.say("1")
            assert (await alice.answer()).said == ["1"]
            loop = asyncio.get_running_loop()
            for _ in range(2):
                began_s = loop.time()
                answer = await alice.ask(alice.poll(f"wait={wait}&since={{}}"))
                assert (answer.said, answer.body["recovered"]) == ([], True)
                assert loop.time() - began_s > float(wait) - 0.01  # uvloop counts milliseconds
                await server.say("2")
                assert (await alice.ask(alice.poll())).said == ["2"], "the next has its own time"
            assert server.held == 0

    run(main())


@pytest.mark.parametrize(
    "query", ["since={}&wait=0", "since={}&wait=25&x=1", "since=Zz9Zz9Zz9:1", "since={0}&since={0}"]
)
def test_what_has_to_be_looked_at_goes_to_the_app(run: Run, query: str) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            await server.say("1")
            assert (await alice.answer()).said == ["1"]
            attached, before = Attached(server), alice.position
            alice.writer.write(alice.poll(query))
            await server.say("2")
            answer = await alice.answer()
            refused = query.count("since") > 1
            assert answer.status == (400 if refused else 200)
            assert attached.count == int(not refused)
            alice.position = before
            assert (await alice.ask(alice.poll())).said == ["2"]
            assert attached.count == int(not refused)

    run(main())


class Marking:
    """Middleware of somebody else's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-query", scope["query_string"]))
            await send(message)

        await self._app(scope, receive, marked)


def added(app: Any) -> Any:
    app.add_middleware(Marking)
    return app


@pytest.mark.parametrize("before", [added, Marking], ids=["added", "around"])
def test_middleware_of_others_has_its_say_in_each_poll(run: Run, before: Callable[[Any], Any]) -> None:
    async def main() -> None:
        async with serving(fanout="portable", before=before) as server:
            alice = await server.client()
            await alice.ask(alice.poll("wait=25"))
            for content in ("1", "2"):
                query = f"wait=25&since={alice.position}"
                await alice.wait(alice.poll())
                await server.say(content)
                answer = await alice.answer()
                assert f"\r\nx-query: {query}\r\n" in answer.head

    run(main())


def test_an_app_that_is_made_late_is_the_same(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable", before=lambda app: LazyApp(lambda: app)) as server:
            await begun(server)

    run(main())


def test_each_poll_is_in_the_access_log(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "uvicorn.access")

    async def main() -> None:
        async with serving(fanout="portable", access_log=True) as server:
            alice = await server.client()
            await alice.ask(alice.poll("wait=25"))
            for content in ("1", "2"):
                await alice.wait(alice.poll())
                await server.say(content)
                await alice.answer()
            assert len([each for each in caplog.records if each.name == "uvicorn.access"]) == 3

    run(main())


def test_a_page_of_another_origin_gets_its_fields_each_time(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable", origins=frozenset({"https://page.example"})) as server:
            alice, origin = await server.client(), "Origin: https://page.example"
            await alice.ask(alice.poll("wait=25", origin))
            for content in ("1", "2"):
                await alice.wait(alice.poll("wait=25&since={}", origin))
                await server.say(content)
                assert "\r\naccess-control-allow-origin: https://page.example\r\n" in (await alice.answer()).head

    run(main())


@pytest.mark.parametrize("how", ["close", "abort", "half"])
def test_a_poller_that_goes_is_missed(run: Run, how: str) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            if how == "half":
                alice.writer.write_eof()
            elif how == "abort":
                alice.writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, bytes([1] + [0] * 7)
                )
                alice.writer.transport.abort()
            else:
                alice.writer.close()
            await until(lambda: server.held == 0 and not server.state.connections)
            await server.say("1")

    run(main())


def test_a_poller_that_goes_is_missed_behind_another_request_too(run: Run) -> None:
    async def main() -> None:
        async with serving(fanout="portable") as server:
            alice = await begun(server)
            alice.writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            (protocol,) = server.protocols
            await until(lambda: len(protocol.pipeline) == 1)
            alice.writer.close()
            await until(lambda: server.held == 0 and not server.state.connections)

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
            await server.say("1")
            answer = await alice.answer()
            assert answer.said == ["1"]
            assert "\r\nconnection: close\r\n" in answer.head
            assert await alice.reader.read() == b""

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
