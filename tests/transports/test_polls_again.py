"""The portable sink's polls that differ from the last one on their connection in their query only, by sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.transports.served import Attached, Run, begun, serving
from transports import longpoll
from transports.lifespan import LazyApp


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
