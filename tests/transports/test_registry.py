"""Every transport is importable by name, is a uvicorn app, and can be measured."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypercorn.utils import is_asgi
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from loadtests.run.targets import TARGETS
from tests.transports.access import SECRET
from transports.app import create_app
from transports.lifespan import LazyApp
from transports.registry import TRANSPORTS, UnknownTransportError, load


@pytest.mark.parametrize("name", TRANSPORTS)
def test_app_is_an_attribute_that_every_loader_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTLAB_SECRET", SECRET.decode())
    module = importlib.import_module(f"transports.{name}")
    app = vars(module)["app"]  # Hypercorn and Granian look where __getattr__ is not asked
    assert is_asgi(app)
    assert isinstance(app, LazyApp)
    assert isinstance(app.made(), Starlette)
    assert app.made() is app.made()


def test_a_transport_is_found_from_inside_its_folder_too() -> None:
    """There `socketio.py` would stand before the package that it imports."""
    folder = Path(__file__).parents[2] / "transports"
    code = "import sys; sys.path.insert(0, ''); from transports.registry import load; load('socketio')"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_unknown_transport_is_answered_by_those_there_are() -> None:
    with pytest.raises(UnknownTransportError, match="'carrierpigeon': there are websocket, sse"):
        load("carrierpigeon")


def test_every_transport_can_be_measured() -> None:
    assert {target.server_name for target in TARGETS} == set(TRANSPORTS) - {"all"}


def test_all_serves_every_path_of_the_others_once() -> None:
    def paths(name: str) -> list[tuple[type, str]]:
        routes = create_app(name).routes
        return [(type(route), route.path) for route in routes if isinstance(route, Route | WebSocketRoute)]

    together = paths("all")
    assert len(together) == len(set(together))
    for name in ("websocket", "sse", "longpoll", "shortpoll", "socketio"):
        assert set(paths(name)) <= set(together)
