"""Single steps of a pass, without servers: what the direct client got late or not at all, a server that is gone."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadtests.evidence.middleboxes import trial
from loadtests.evidence.middleboxes.peers import Crew, Peer
from loadtests.evidence.middleboxes.site import Site
from loadtests.evidence.middleboxes.trial import Steps, Trial
from loadtests.run.boxes.box import Timing

TIMING = Timing(heartbeat_s=1.0, timeout_s=4.0, slow_s=30.0, scaled=True)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"APART": 2, "APART_S": 0.0, "AFTER_S": 0.1}.items():
        monkeypatch.setattr(trial, name, value)


def member(**received: int) -> Peer:
    return Peer("sse", cast("Any", SimpleNamespace(welcomed=True)), received)


def made(through: Peer, direct: Peer, said: list[str] | None = None) -> Trial:
    """Return a pass over one site, whose publications go nowhere."""
    found = SimpleNamespace(
        name="box",
        asked=[SimpleNamespace(name="sse")],
        dense=True,
        through={"sse": through},
        direct={"sse": direct},
        publish=lambda *_: None,
    )
    say = (said if said is not None else []).append
    steps = Steps(timing=TIMING, wait_s=1.0, left_within_s=1.0, say=say, check=lambda: None, long=True)
    each = Trial([cast("Site", found)], [], steps)
    each._found["box", "sse"]["joined"] = True
    return each


def test_what_the_direct_client_missed_is_not_missing_behind_the_box() -> None:
    each = made(member(a0=2_000_000, a1=2_000_000), member(a0=1_000_000))
    each._apart()
    assert each._found["box", "sse"] == {"joined": True, "missing": 0, "apart_ms": None}


def test_the_direct_client_is_waited_for_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "AFTER_S", 5.0)
    direct = member(a0=1_000_000)
    until_s = time.monotonic() + 0.05

    def run(self: Crew, seconds: float, done: Any = lambda: False) -> bool:
        if time.monotonic() > until_s:
            direct.received["a1"] = 1_000_000
        return bool(done())

    monkeypatch.setattr(Crew, "run", run)
    each = made(member(a0=2_000_000, a1=2_000_000), direct)
    each._apart()
    assert each._found["box", "sse"] == {"joined": True, "missing": 0, "apart_ms": 1.0}


def test_a_server_that_does_not_answer_leaves_one_question_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: Trial, site: Site, transport: str) -> None:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(Trial, "_park_one", gone)
    said: list[str] = []
    each = made(member(), member(), said)
    each._park()
    assert said == ["a client that never reads, behind box: nobody listens"]
    assert "parked_kib" not in each._found["box", "sse"]
