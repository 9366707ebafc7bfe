"""Our log uses the server's handlers and level, unless somebody has configured ours."""

from __future__ import annotations

import io
import logging
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.contracts.kit.server import free_port
from transports.logs import join_server_log, log_from


@contextmanager
def bare() -> Iterator[logging.Logger]:
    """The logger `rtlab` as in a process to which pytest has given no handlers; it does so before each test."""
    names = ("rtlab", "uvicorn", "uvicorn.error")
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers = []
    loggers[0].propagate = False
    try:
        yield loggers[0]
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)


@pytest.mark.parametrize(("level", "lines"), [(logging.DEBUG, 3), (logging.INFO, 2), (logging.WARNING, 1)])
def test_rooms_log_where_the_server_logs_and_from_its_level_on(level: int, lines: int) -> None:
    text = io.StringIO()
    with bare():
        logging.getLogger("uvicorn").addHandler(logging.StreamHandler(text))  # as uvicorn does: one name up
        logging.getLogger("uvicorn.error").setLevel(level)
        join_server_log()
        join_server_log()
        log = logging.getLogger("rtlab.redis")
        for write in (log.debug, log.info, log.warning):
            write("said")
    assert text.getvalue().splitlines() == ["said"] * lines


def test_configured_log_stays_as_it_is() -> None:
    own = logging.NullHandler()
    with bare() as ours:
        ours.addHandler(own)
        logging.getLogger("uvicorn").addHandler(logging.StreamHandler(io.StringIO()))
        join_server_log()
        assert ours.handlers == [own]


def test_what_we_log_ourselves_is_written_from_the_level_on(capsys: pytest.CaptureFixture[str]) -> None:
    with bare():
        log_from("info")
        join_server_log()
        log = logging.getLogger("rtlab.hub")
        for write in (log.debug, log.info, log.warning):
            write("said")
    assert capsys.readouterr().err.split() == ["INFO:", "said", "WARNING:", "said"]


LAUNCHERS = {
    "rtlab serve": ("http", ["-m", "transports", "sse"]),
    "rtlab serve, Hypercorn": ("https", ["-m", "transports", "h2push"]),
    "uvicorn": ("http", ["-m", "uvicorn", "transports.sse:app"]),
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_log_level_decides_what_is_written(launcher: str) -> None:
    """Without a secret each start has something to warn of, and each request is a line of the access log."""
    written = {level: _written(*LAUNCHERS[launcher], level) for level in ("error", "warning", "info")}
    assert {level: "RTLAB_SECRET is not set" in log for level, log in written.items()} == {
        "error": False,
        "warning": True,
        "info": True,
    }
    assert "WARNING" in written["warning"]
    # Plain uvicorn's access log has a switch of its own, and no line at all where the level is above it.
    assert {level: "GET /health" in log for level, log in written.items()} == {
        "error": False,
        "warning": False,
        "info": True,
    }


def _written(scheme: str, command: list[str], level: str) -> str:
    """What a server writes to both of its streams from its start to its end, with one request in between."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RTLAB_")}
    with subprocess.Popen(
        [sys.executable, *command, "--port", str(port), "--log-level", level],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            _ask(f"{scheme}://127.0.0.1:{port}/health")
        finally:
            server.terminate()
        written, _ = server.communicate(timeout=10.0)
    return written


def _ask(url: str) -> None:
    unverified = ssl._create_unverified_context()
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=5.0, context=unverified).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{url} does not answer")
