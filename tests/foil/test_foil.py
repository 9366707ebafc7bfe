"""The foil shows each fault, ours shows none. A probe that could not see its fault would fail on the foil."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contracts.kit.server import ServerProcess, ServerSpec
from tests.foil.probes import PROBES
from tests.foil.systems import SYSTEMS, server_spec

Started = Callable[[ServerSpec], ServerProcess]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Servers by how they are started; each is started once."""
    folder = tmp_path_factory.mktemp("foil")
    running: dict[ServerSpec, ServerProcess] = {}

    def start(spec: ServerSpec) -> ServerProcess:
        if spec not in running:
            running[spec] = ServerProcess(spec, folder / f"{len(running)}.log")
            running[spec].start()
        return running[spec]

    yield start
    for server in running.values():
        server.stop()


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("fault", PROBES)
async def test_the_foil_has_the_fault_and_ours_has_not(
    request: pytest.FixtureRequest, started: Started, fault: str, system: str
) -> None:
    probe = PROBES[fault]
    redis = {"REDIS_URL": request.getfixturevalue("redis_url")} if probe.redis else {}
    asked = SYSTEMS[system](started(server_spec(system, {**probe.settings, **redis})))
    try:
        finding = await probe.ask(asked)
    finally:
        await asked.close_tabs()
    assert finding.faulty is (system == "foil"), finding.words


def test_nothing_of_ours_can_import_the_foil() -> None:
    """The contract stands in pyproject.toml; here is that it names everybody."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    contract = text.partition('id = "foil-apart"')[2].partition("[[")[0]
    assert 'source_modules = ["core", "transports", "loadtests"]' in contract
    assert 'forbidden_modules = ["tests"]' in contract
