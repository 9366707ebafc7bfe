"""Both event loops, with and without polls that are read together."""

from __future__ import annotations

import asyncio
import sys

import pytest
import uvloop

from tests.transports.served import Run


@pytest.fixture(params=["uvloop", "asyncio", "read by transports"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    if request.param == "read by transports":  # as under TLS, and where there is no epoll
        monkeypatch.setattr(sys, "platform", "darwin")
    elif sys.platform != "linux":
        pytest.skip("epoll is there on Linux only")
    else:
        monkeypatch.setattr("transports.direct.polls.MANY", 0)  # each is one
    return asyncio.run if request.param == "asyncio" else uvloop.run
