"""What only polling has: `wait`, held answers, and polls that are cancelled."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from tests.contracts.kit.clients import PollClient, RefusedError
from tests.contracts.kit.clients.http import refusal
from tests.contracts.kit.clients.poll import parse_answer
from tests.contracts.kit.limits import EVENT_S, WAIT_MAX_S
from tests.contracts.kit.metrics import scrape, until_total
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.targets import Connect, Target

POLLS = (Target("longpoll", "longpoll"), Target("shortpoll", "shortpoll"), Target("all", "longpoll"))
HELD = (Target("longpoll", "longpoll"), Target("all", "longpoll"))

MALFORMED = [
    "",
    "x",
    ":",
    "abcdefgh",
    "abcdefgh:",
    "short:1",
    "abcdefgh:-1",
    "abcdefgh:+1",
    "abcdefgh:1.0",
    "abcdefgh:1_0",
    "abcdefgh:x",
    "abcdefgh:1:1",
    " abcdefgh:1",
    "abcdefgh:1\n",
    "abcd-fgh:1",
    "abcdefgh:\u0661",
    f"{'e' * 33}:1",
]

both = pytest.mark.parametrize("target", POLLS, ids=str)
held = pytest.mark.parametrize("target", HELD, ids=str)


@pytest.fixture
def server(servers: ServerPool, target: Target) -> ServerProcess:
    """A server for polls alone, so that its count of connections shows whether one is held."""
    return servers.shared(target.server, purpose="polls")


async def poller(connect: Connect, user: str = "alice") -> PollClient:
    client = await connect(user)
    assert isinstance(client, PollClient)
    return client


async def no_poll_is_held(server: ServerProcess) -> None:
    await until_total(server, "rtlab_connections", lambda total: total == 0)


async def hold(server: ServerProcess, client: PollClient, wait_s: int | None) -> asyncio.Task[list[str]]:
    """A poll that the server is holding: a held poll counts as a connection."""
    before = (await scrape(server)).total("rtlab_connections")
    params = {"since": str(client.position)} | ({} if wait_s is None else {"wait": str(wait_s)})

    async def contents() -> list[str]:
        limit = httpx.Timeout(EVENT_S, read=WAIT_MAX_S + EVENT_S)
        response = await client.http.get(f"/rooms/{client.room}/poll", params=params, timeout=limit)
        answer = parse_answer(response.content, client.position)
        return [event.text("content") for event in answer.events if event.type == "chat"]

    task = asyncio.create_task(contents())
    await until_total(server, "rtlab_connections", lambda total: total > before)
    return task


@both
@pytest.mark.parametrize(
    "wait", ["-1", "56", "1000000", "abc", "", "nan", "inf", "-inf", "1e400", "55.5", "5s", "\u0665"]
)
async def test_bad_wait_is_a_bad_request(server: ServerProcess, connect: Connect, wait: str) -> None:
    alice = await poller(connect)
    response = await alice.http.get(f"/rooms/{alice.room}/poll", params={"since": str(alice.position), "wait": wait})
    assert (response.status_code, refusal(response).code) == (400, "bad_request")


@both
@pytest.mark.parametrize("wait_s", [0, 1, WAIT_MAX_S])
async def test_wait_within_its_bounds_is_taken(server: ServerProcess, connect: Connect, wait_s: int) -> None:
    alice = await poller(connect)
    since = alice.position
    await alice.publish("already there")
    answer = await alice.poll(since, wait_s)
    assert [event.text("content") for event in answer.events if event.type == "chat"] == ["already there"]
    assert answer.recovered


@pytest.mark.parametrize("path", ["poll", "events"])
@pytest.mark.parametrize(
    "since",
    MALFORMED,
)
async def test_malformed_since_is_a_bad_request(every: ServerProcess, connect: Connect, path: str, since: str) -> None:
    alice = await connect("alice", transport="longpoll", join=False)
    assert isinstance(alice, PollClient)
    response = await alice.http.get(f"/rooms/{alice.room}/{path}", params={"since": since})
    assert (response.status_code, refusal(response).code) == (400, "bad_request")


async def test_malformed_last_event_id_is_a_bad_request(every: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice", transport="sse", join=False)
    with pytest.raises(RefusedError) as refused:
        await alice.connect("not a position")
    assert (refused.value.code, refused.value.status) == ("bad_request", 400)


@both
async def test_without_since_it_answers_at_once_with_the_position(server: ServerProcess, connect: Connect) -> None:
    alice = await poller(connect)
    last = await alice.publish("x")
    # Were it held, this would outlast the client's read limit.
    response = await alice.http.get(f"/rooms/{alice.room}/poll", params={"wait": "55"})
    answer = parse_answer(response.content, None)
    assert (answer.position, answer.events, answer.recovered) == (last, (), False)


@pytest.mark.parametrize("target", [Target("shortpoll", "shortpoll")], ids=str)
async def test_short_poll_never_waits(server: ServerProcess, connect: Connect) -> None:
    alice = await poller(connect)
    await alice.caught_up()
    response = await alice.http.get(f"/rooms/{alice.room}/poll", params={"since": str(alice.position), "wait": "55"})
    answer = parse_answer(response.content, alice.position)
    assert (answer.events, answer.position, answer.recovered) == ((), alice.position, True)


@held
async def test_held_poll_runs_out_empty(server: ServerProcess, connect: Connect) -> None:
    alice = await poller(connect)
    await alice.caught_up()
    started_s = time.monotonic()
    answer = await alice.poll(alice.position, 1)
    assert (answer.events, answer.position, answer.recovered) == ((), alice.position, True)
    assert time.monotonic() - started_s >= 0.9, "it was not held for its wait"


@held
async def test_held_poll_is_answered_by_the_next_event(server: ServerProcess, connect: Connect) -> None:
    alice = await poller(connect)
    await alice.caught_up()
    await no_poll_is_held(server)
    held_polls = [await hold(server, alice, WAIT_MAX_S) for _ in range(3)]
    await alice.publish("wake up")
    for task in held_polls:
        assert await asyncio.wait_for(task, EVENT_S) == ["wake up"]


@held
async def test_default_wait_holds(server: ServerProcess, connect: Connect) -> None:
    alice = await poller(connect)
    await alice.caught_up()
    await no_poll_is_held(server)
    task = await hold(server, alice, None)
    await alice.publish("wake up")
    assert await asyncio.wait_for(task, EVENT_S) == ["wake up"]


@held
async def test_cancelled_poll_consumes_nothing(server: ServerProcess, connect: Connect) -> None:
    alice = await poller(connect)
    await alice.caught_up()
    for count in range(5):
        await no_poll_is_held(server)
        task = await hold(server, alice, WAIT_MAX_S)
        publishing = asyncio.create_task(alice.publish(f"message {count}"))
        task.cancel()
        await publishing
        assert (await alice.next_chat()).text("content") == f"message {count}"


@both
async def test_the_same_poll_can_be_asked_again(server: ServerProcess, connect: Connect) -> None:
    alice = await poller(connect)
    since = alice.position
    await alice.publish("x")
    first, second = await alice.poll(since, 0), await alice.poll(since, 0)
    assert first == second


@both
async def test_resync_is_answered_at_once(server: ServerProcess, connect: Connect) -> None:
    alice = await poller(connect)
    last = await alice.publish("x")
    response = await alice.http.get(
        f"/rooms/{alice.room}/poll", params={"since": "Zz9Zz9Zz9Zz9:1", "wait": str(WAIT_MAX_S)}
    )
    answer = parse_answer(response.content, "Zz9Zz9Zz9Zz9:1")
    assert [event.type for event in answer.events] == ["resync"]
    assert answer.events[0].fields == {"reason": "epoch_changed", "position": str(last)}
    assert answer.position == last
