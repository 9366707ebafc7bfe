"""Fixtures for third-party clients: programs, npm packages, a browser."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.clients_real.programs import Program, node_folder
from tests.conftest import missing
from tests.contracts.conftest import connect, every, room
from tests.contracts.kit.link import CuttableLink
from tests.contracts.kit.server import ServerProcess

__all__ = ["connect", "every", "room"]

Start = Callable[..., Awaitable[Program]]


@pytest.fixture(scope="session")
def curl() -> str:
    path = shutil.which("curl")
    if path is None:
        missing("curl")
    assert path is not None
    return path


@pytest.fixture(scope="session")
def node() -> Path:
    """The folder that holds `ws`, `eventsource`, `socket.io-client` and our scripts."""
    try:
        return node_folder()
    except FileNotFoundError as error:
        missing(str(error))
        raise


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts programs; ends them with the test."""
    programs: list[Program] = []

    async def started(*command: str) -> Program:
        program = Program(*command)
        programs.append(program)
        await program.start()
        return program

    yield started
    for program in programs:
        await program.aclose()


@pytest.fixture
async def link(every: ServerProcess) -> AsyncIterator[CuttableLink]:
    async with CuttableLink(every) as cuttable:
        yield cuttable


@pytest.fixture(scope="module")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        # Tests may run as root in a container, where Chromium's sandbox cannot.
        chromium = await playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield chromium
        await chromium.close()
