"""Our log uses the server's handlers and level, unless somebody has configured ours."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from transports.logs import join_server_log


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
