"""Long polls of a foreign server: its steps, a request that proves the connection, then one poll after the other."""

from __future__ import annotations

from collections import deque

from loadtests.load.clients.base import Access, Arrival, Closed
from loadtests.load.clients.foreign.adapted import AdaptedClient
from loadtests.load.clients.foreign.session import Session, pattern
from loadtests.load.clients.http import Answer, AnswerParser
from loadtests.load.clients.polls import LongPollClient, shared
from loadtests.records.adapter import Adapter, Step

_NO_NEWS = frozenset({204, 304, 408})
_STEP, _PROBE, _SAY, _POLL = "step", "probe", "say", "poll"


class ForeignPollClient(AdaptedClient, LongPollClient):
    """Welcome once the steps and the probe are answered; its place is in what answers say, head or body."""

    def __init__(self, adapter: Adapter, access: Access, since: str = "", session: Session | None = None) -> None:
        super().__init__(adapter, access, since, session)
        self._answers = AnswerParser(to_end=True)
        self._purpose = _STEP  # of the request that is on its way
        self._to_say: deque[Step] = deque()  # answers to what a poll's answer asked

    def opening(self) -> bytes:
        """The first step's request, the probe, or the first poll."""
        return self._poll(wait_s=0)

    def finish(self) -> list[Arrival]:
        """Take note that the peer ended the connection; return what its end completed. Raises ProtocolError."""
        arrivals = [arrival for answer in self._answers.finish() for arrival in self._take(answer)]
        super().finish()
        return arrivals

    @property
    def successor(self) -> AdaptedClient | None:
        """See `AdaptedClient`; what is still to be said is said on the next connection."""
        client = super().successor
        if isinstance(client, ForeignPollClient):
            client._to_say = self._to_say
        return client

    def _take(self, answer: Answer) -> list[Arrival]:
        arrivals: list[Arrival] = []
        purpose = self._purpose
        if purpose == _STEP:
            self._take_step(answer)
        elif purpose == _POLL and answer.head.status == 200:
            arrivals = super()._take(answer)
        else:
            self.session.show_answer(answer)
            if purpose == _POLL and answer.head.status not in _NO_NEWS:
                super()._take(answer)
            if purpose == _SAY and answer.head.status >= 400:
                self.closed = Closed(answer.head.status, "answer to the server's ping refused")
        done = self._script.step is None
        self.welcomed = self.welcomed or (done and (purpose == _PROBE or not self._adapter.subscribe.probe_path))
        if self.closed is None and answer.head.closes:
            self._ends_by_design = True
            self.closed = Closed(0, "connection closed after an answer")
        return arrivals

    def _read(self, answer: Answer) -> list[Arrival]:
        subscribe, headers = self._adapter.subscribe, answer.head.headers
        for name, source in subscribe.resume_headers.items():
            value = headers.get(source.lower().encode())
            if value is not None:
                self.session.kept[f"{name}:"] = value.decode("latin-1")
        if subscribe.capture:
            self.session.capture(subscribe.capture, answer.body, answer.head.raw, keep=True)
        for asked, said in subscribe.answer.items():
            if isinstance(said, Step) and pattern(asked).search(answer.body):
                self._to_say.append(said)
        return shared(self._news(answer.body), answer.wire_bytes)

    def _poll(self, wait_s: float) -> bytes:
        self.waiting = True
        step, subscribe = self._script.step, self._adapter.subscribe
        if step is not None:
            self._purpose = _STEP
            return self._step_request(step)
        if not self.welcomed and subscribe.probe_path:
            self._purpose = _PROBE
            self.session.count()
            return self._request("GET", subscribe.probe_path, subscribe.headers)
        if self._to_say:
            self._purpose = _SAY
            return self._step_request(self._to_say.popleft())
        self._purpose = _POLL
        return self._subscribe_request()
