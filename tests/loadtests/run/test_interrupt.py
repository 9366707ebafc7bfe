from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from loadtests.records.errors import Interrupted
from loadtests.run.process import interruptible

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP here")


@pytest.fixture
def hangup_as_it_was() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup_as_it_was")
@pytest.mark.parametrize(("name", "words"), [("SIGINT", "Ctrl-C"), ("SIGTERM", "SIGTERM"), ("SIGHUP", "SIGHUP")])
def test_a_signal_is_acted_on_at_the_next_look(name: str, words: str) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with interruptible() as check:
        check()
        os.kill(os.getpid(), signal.Signals[name])
        with pytest.raises(Interrupted, match=f"^stopped by {words}$"):
            check()


@pytest.mark.usefixtures("hangup_as_it_was")
def test_under_nohup_a_hangup_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible() as check:
        os.kill(os.getpid(), signal.SIGHUP)
        check()
