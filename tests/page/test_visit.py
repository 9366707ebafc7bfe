"""The browser is opened once the server answers, and not before. Settings of the demo."""

from __future__ import annotations

import socket
import webbrowser

import pytest

from core.backplane.memory import MemoryBackplane
from core.hub import Hub
from core.settings import SettingError, Settings
from tests.contracts.kit.pool import ServerPool
from transports import visit
from transports.race import with_page


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    urls: list[str] = []
    monkeypatch.setattr(webbrowser, "open", urls.append)
    return urls


@pytest.mark.parametrize("tls", [False, True])
def test_the_page_is_opened_once_the_server_answers(servers: ServerPool, opened: list[str], tls: bool) -> None:
    server = servers.own("all", tls=tls, start=False)
    server.launch()
    visit.open_when_ready("127.0.0.1", server.port, server.scheme).join(30)
    assert opened == [f"{server.base_url}/"]


def test_nothing_is_opened_when_no_server_comes(monkeypatch: pytest.MonkeyPatch, opened: list[str]) -> None:
    monkeypatch.setattr(visit, "_READY_S", 0.2)
    with socket.socket() as unheard:  # bound, so that nobody else takes the port, and never listening
        unheard.bind(("127.0.0.1", 0))
        thread = visit.open_when_ready("127.0.0.1", unheard.getsockname()[1])
        thread.join(30)
    assert not thread.is_alive()
    assert opened == []


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("localhost", "localhost:80")]
)
def test_an_ipv6_address_stands_in_brackets(host: str, expected: str) -> None:
    assert visit.authority(host, 80) == expected


def test_a_demo_without_a_secret_of_its_own_can_sign_nothing() -> None:
    settings = Settings()
    hub = Hub(MemoryBackplane(settings), settings, secret=b"0" * 32)
    with pytest.raises(SettingError, match="RTLAB_DEMO=1 needs RTLAB_SECRET"):
        with_page([], hub, demo=True)
