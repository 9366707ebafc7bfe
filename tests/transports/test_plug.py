"""Without `transports.direct` every server starts, says so, and delivers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from core.settings import Settings
from tests.contracts.kit.server import ServerProcess, spec
from tests.contracts.kit.tls import TLS
from tests.contracts.targets import TARGETS, Target, make_client, unique
from tests.core.instances import instance
from transports.plug import fast_path

ROOT = Path(__file__).parents[2]
SERVERS = [each for each in TARGETS if each.server == "all"] + [Target("h2push", "h2push")]
"""Each transport once: `all` carries those of uvicorn."""


@pytest.fixture(scope="module")
def without_direct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the servers in which the folder has been deleted."""
    tree = tmp_path_factory.mktemp("portable")
    for package in ("core", "transports"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__", "direct"))
    return tree


async def test_every_server_starts_and_delivers_without_the_folder(
    without_direct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(without_direct)  # servers are started as `python -m transports`
    servers = {name: ServerProcess(spec(name), tmp_path / name) for name in {target.server for target in SERVERS}}
    try:
        for server in servers.values():
            server.start()
        async with httpx.AsyncClient(trust_env=False, verify=TLS) as http:
            health = (await http.get(f"{servers['all'].base_url}/health")).json()
        assert (health["sink"], health["writes"]) == ("portable", None)
        for target in SERVERS:
            client = make_client(servers[target.server], target.transport, unique("room"), unique("alice"))
            await client.connect()
            position = await client.publish("hello")
            assert (await client.next_chat()).id == position
            await client.close()
    finally:
        for server in servers.values():
            server.stop()
    assert not [line for server in servers.values() for line in server.log_offences()]


def test_the_copy_has_no_fast_path(without_direct: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import transports.direct"], cwd=without_direct, capture_output=True, text=True
    )
    assert "No module named 'transports.direct'" in ended.stderr


@pytest.mark.parametrize(("fanout", "there"), [("direct", True), ("portable", False)])
async def test_the_setting_decides_where_the_folder_is_there(fanout: str, there: bool) -> None:
    async with instance(Settings(fanout=fanout)) as one:
        assert (fast_path(one.hub) is not None) is there
