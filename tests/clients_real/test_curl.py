"""curl: the event stream by `-N`, polls, publishing, and the cookie session from a jar."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.clients_real.conftest import Start
from tests.clients_real.programs import Program, run
from tests.contracts.kit.eventstream import Block, EventStreamParser
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import Connect, unique


async def next_block(program: Program, parser: EventStreamParser) -> Block:
    while True:
        for block in parser.feed(await program.line()):
            if block.data is not None:
                return block


async def chat_of(program: Program, parser: EventStreamParser) -> str:
    while (event := json.loads((await next_block(program, parser)).data or ""))["type"] != "chat":
        pass
    return str(event["content"])


async def test_stream_joins_receives_and_resumes(
    every: ServerProcess, connect: Connect, start: Start, curl: str, room: str
) -> None:
    bob, url = await connect("bob"), f"{every.base_url}/rooms/{room}/events"
    authorised = [curl, "-sN", "-H", f"Authorization: Bearer {sign(unique('curl'))}"]
    parser, stream = EventStreamParser(), await start(*authorised, url)
    assert json.loads((await next_block(stream, parser)).data or "")["type"] == "welcome"
    await bob.publish("live")
    assert await chat_of(stream, parser) == "live"
    await stream.aclose()
    since = (await bob.publish("missed")).plus(-1)
    for resumed in (["-H", f"Last-Event-ID: {since}", url], [f"{url}?since={since}"]):
        parser, stream = EventStreamParser(), await start(*authorised, *resumed)
        assert json.loads((await next_block(stream, parser)).data or "")["recovered"] is True
        assert await chat_of(stream, parser) == "missed"
        await stream.aclose()


async def test_publishes_and_polls(every: ServerProcess, connect: Connect, curl: str, room: str) -> None:
    bob, base = await connect("bob"), f"{every.base_url}/rooms/{room}"
    authorised = ["-s", "-H", f"Authorization: Bearer {sign(unique('curl'))}"]
    position = json.loads(await asyncio.to_thread(run, curl, *authorised, f"{base}/poll"))["position"]
    body = ["-H", "Content-Type: application/json", "-d", '{"content":"by curl","ref":"c-1"}']
    accepted = json.loads(await asyncio.to_thread(run, curl, *authorised, *body, f"{base}/messages"))
    event = await bob.next_chat()
    assert (event.text("content"), str(event.id), accepted["ref"]) == ("by curl", accepted["id"], "c-1")
    answer = json.loads(await asyncio.to_thread(run, curl, *authorised, f"{base}/poll?since={position}&wait=5"))
    assert [item["content"] for item in answer["events"] if item["type"] == "chat"] == ["by curl"]
    status = ["-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"]
    assert await asyncio.to_thread(run, curl, *authorised, *status, f"{base}/leave") == "204"


async def test_cookie_session(every: ServerProcess, curl: str, room: str, tmp_path: Path) -> None:
    jar = str(tmp_path / "cookies.txt")
    body = json.dumps({"token": sign(unique("curl"))})
    await asyncio.to_thread(run, curl, "-sf", "-c", jar, "-d", body, f"{every.base_url}/session")
    answer = await asyncio.to_thread(run, curl, "-sf", "-b", jar, f"{every.base_url}/rooms/{room}")
    assert json.loads(answer)["room"] == room
