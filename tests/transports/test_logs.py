"""Our log beside the server's: its handlers, its level, and nothing where somebody has configured ours."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from transports.logs import join_server_log


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The logger `rtlab` as in a process that pytest has not given handlers."""
    ours, server = logging.getLogger("rtlab"), logging.getLogger("uvicorn.error")
    monkeypatch.setattr(ours, "propagate", False)
    for logger in (ours, server, logging.getLogger("uvicorn")):
        monkeypatch.setattr(logger, "handlers", [])
    levels = ours.level, server.level
    yield ours
    ours.setLevel(levels[0])
    server.setLevel(levels[1])


@pytest.mark.parametrize(("level", "lines"), [(logging.DEBUG, 3), (logging.INFO, 2), (logging.WARNING, 1)])
def test_rooms_log_where_the_server_logs_and_from_its_level_on(bare: logging.Logger, level: int, lines: int) -> None:
    text = io.StringIO()
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler(text))  # as uvicorn does: one name up
    logging.getLogger("uvicorn.error").setLevel(level)
    join_server_log()
    join_server_log()
    log = logging.getLogger("rtlab.redis")
    for write in (log.debug, log.info, log.warning):
        write("said")
    assert text.getvalue().splitlines() == ["said"] * lines


def test_configured_log_stays_as_it_is(bare: logging.Logger) -> None:
    own = logging.NullHandler()
    bare.addHandler(own)
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler(io.StringIO()))
    join_server_log()
    assert bare.handlers == [own]
