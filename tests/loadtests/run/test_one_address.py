"""Instances behind one address: what they are started with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtests.run import one_address
from loadtests.run.one_address import OneAddress
from loadtests.run.process import available_cores, divide_cores
from loadtests.run.servers import ServerSettings
from loadtests.run.targets import select


def test_the_instance_that_is_published_on_speaks_plain_http_beside_those_with_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, bool]] = []

    def server(name: str, settings: ServerSettings, **_: object) -> SimpleNamespace:
        started.append((name, settings.tls))
        return SimpleNamespace(wait_ready=lambda _: None, signal=lambda _: None, stop=lambda: 0)

    monkeypatch.setattr(one_address, "Server", server)
    monkeypatch.setattr(OneAddress, "_wait_for", lambda *_: None)
    (target,) = select(("websocket",))
    cores = divide_cores(available_cores())
    with OneAddress(
        replace(target, tls=True), ServerSettings(tls=True), "redis://x", folder=tmp_path, name="s", cores=cores
    ) as address:
        address.start_beside()[1].result()
        address.start()
    assert started == [("sse", False), (target.server_name, True)]
