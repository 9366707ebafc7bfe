"""The room over polling, held (`longpoll`) or not (`shortpoll`), with `httpx`."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import httpx

from tests.contracts.kit.clients.base import Joined
from tests.contracts.kit.clients.http import HttpRoomClient, refusal
from tests.contracts.kit.events import ROOM_EVENTS, ContractViolationError, Event, Position, check_event, parse_object
from tests.contracts.kit.limits import EVENT_S

_SHORT_POLL_INTERVAL_S = 0.02


@dataclass(frozen=True, slots=True)
class Answer:
    """One poll's answer, its shape checked and its position held against its events."""

    events: tuple[Event, ...]
    position: Position
    recovered: bool


def parse_answer(body: bytes, since: object) -> Answer:
    fields = parse_object(body)
    events, recovered = fields.get("events"), fields.get("recovered")
    if fields.keys() != {"events", "position", "recovered"} or not isinstance(events, list):
        raise ContractViolationError(f"not a poll's answer: {fields}")
    if not isinstance(recovered, bool):
        raise ContractViolationError(f"recovered is {recovered!r}")
    parsed = tuple(check_event(event) for event in events)
    position = Position.parse(fields["position"])
    if any(event.type not in ROOM_EVENTS and event.type != "resync" for event in parsed):
        raise ContractViolationError(f"a poll answered {parsed}")
    if since is None and (parsed or recovered):
        raise ContractViolationError(f"a poll without since answered {fields}")
    if since is not None and recovered == (bool(parsed) and parsed[0].type == "resync"):
        raise ContractViolationError(f"recovered {recovered} does not go with {parsed}")
    return Answer(parsed, position, recovered)


class PollClient(HttpRoomClient):
    """`wait_s` is what each poll asks for; `next_event` repeats polls until its own limit."""

    wait_s: int = 5
    pause_s: float = 0.0

    async def poll(self, since: object = None, wait_s: int | None = None) -> Answer:
        """One GET. Raises RefusedError. Does not move `position`."""
        wait = self.wait_s if wait_s is None else wait_s
        params = {"wait": str(wait)}
        if since is not None:
            params["since"] = str(since)
        response = await self.http.get(
            f"/rooms/{self.room}/poll", params=params, timeout=httpx.Timeout(EVENT_S, read=wait + EVENT_S)
        )
        if response.status_code != httpx.codes.OK:
            raise refusal(response)
        return parse_answer(response.content, since)

    async def connect(self, since: object = None) -> Joined:
        answer = await self.poll(since, 0)
        if since is None:
            self._start_from(answer.position, None, answer.recovered)
            return Joined(answer.position, False, None)
        if answer.recovered:
            self._start_from(Position.parse(str(since)), since, True)
            self._keep(answer)
            assert self.position is not None
            return Joined(self.position, True, None)
        resync = answer.events[0]
        self._start_from(Position.parse(resync.fields["position"]), since, False)
        self._keep(Answer(answer.events[1:], answer.position, False))
        assert self.position is not None
        return Joined(self.position, False, resync.text("reason"))

    def _keep(self, answer: Answer) -> None:
        """Queue an answer's events; its position must be where they end."""
        end = self.position
        for event in answer.events:
            end = Position.parse(event.fields["position"]) if event.type == "resync" else event.id
        if answer.position != end:
            raise ContractViolationError(f"position {answer.position}, but the events end at {end}")
        self._ahead.extend(answer.events)

    async def _receive(self, timeout_s: float) -> Event:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self._keep(await self.poll(self.position, self.wait_s))
            if self._ahead:
                return self._ahead.popleft()
            # The interval is what makes short polling short polling; a held poll has none.
            await asyncio.sleep(self.pause_s)
        raise TimeoutError(f"no event in {timeout_s} s")


class LongPollClient(PollClient):
    pass


class ShortPollClient(PollClient):
    wait_s = 0
    pause_s = _SHORT_POLL_INTERVAL_S
