"""The adapters that come with the lab and can't be held against the real server: each against its stand-in."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtests.evidence.calibration.trial import describe_cell, run_generator
from loadtests.load.clients.base import parse_endpoint
from loadtests.records import adapter
from loadtests.records.adapter import Adapter, Heartbeat
from loadtests.records.cell_spec import FOREIGN_USER, Load
from loadtests.run import foreign
from loadtests.run.foreign import TOKEN_VARIABLE
from loadtests.run.probe import Probe
from tests.contracts.kit.tls import made_pair
from tests.standins import centrifugo, mercure
from tests.standins.app import running
from tests.standins.rooms import SILENT_S

TOKENS = {
    "phoenix-websocket": "",
    "centrifugo-websocket": centrifugo.API_KEY,
    "signalr-websocket": "",
    "mercure-sse": mercure.TOKEN,
    "mercure0-sse": mercure.TOKEN,
}


def probed(url: str, name: str, token: str, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, str]:
    """Probe; return whether the message came, and what was said."""
    monkeypatch.setenv(TOKEN_VARIABLE, token or "unused")
    said: list[str] = []
    (server,) = foreign.selected([url], [name])
    return Probe(server, said.append, wait_s=2.0).run(), "\n".join(said)


@pytest.mark.parametrize("name", TOKENS)
def test_a_message_comes_through(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worked, said = probed(url, name, TOKENS[name], monkeypatch)
    assert worked, said
    assert ("acknowledged" in said) is (name != "phoenix-websocket")


def test_heartbeats_are_sent_through_a_run_and_publications_acknowledged(url: str, tmp_path: Path) -> None:
    load = Load(name="2x10", subscribers=2, rooms=2, rate_per_s=10.0)
    spec = describe_cell(FOREIGN_USER, parse_endpoint(url).port, load, warm_up_s=0.0, measured_s=0.9, grace_s=0.3)
    described = hurried(adapter.find("signalr-websocket")[0])
    trial = run_generator(msgspec.structs.replace(spec, adapter=described), tmp_path)
    assert trial.exit_code == 0, trial.progress
    assert (trial.result.refused, trial.result.unanswered, trial.result.reconnects) == (0, 0, 0), trial.result.errors
    assert len(trial.samples["message"]) == len(trial.publishes["message"]) == 18


def hurried(described: Adapter) -> Adapter:
    """Return the adapter with a heartbeat in the stand-in's time."""
    beat = described.subscribe.heartbeat
    if beat is None:
        return described
    faster = Heartbeat(every_s=SILENT_S / 3, send=beat.send)
    return msgspec.structs.replace(described, subscribe=msgspec.structs.replace(described.subscribe, heartbeat=faster))


def test_tls_and_ipv6_go_by_the_address_and_a_ca_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = made_pair(tmp_path)
    with running("::1", pair.certfile, pair.keyfile) as base:
        assert probed(base, "mercure-sse", mercure.TOKEN, monkeypatch)[0], "a certificate of this machine is taken"
        mine = tmp_path / "mine.toml"
        mine.write_text(f'like = "mercure-sse"\nname = "mine"\ntls_verify = "{pair.certfile.name}"')
        assert probed(base, str(mine), mercure.TOKEN, monkeypatch)[0]
        (tmp_path / "other").mkdir()
        other = made_pair(tmp_path / "other")
        mine.write_text(f'like = "mercure-sse"\nname = "mine"\ntls_verify = "other/{other.certfile.name}"')
        worked, said = probed(base, str(mine), mercure.TOKEN, monkeypatch)
        assert not worked
        assert "set tls_verify = false, or tls_verify" in said
        assert (
            "address as https://" in probed(base.replace("https", "http"), "mercure-sse", mercure.TOKEN, monkeypatch)[1]
        )
