"""Foreign servers: what may be asked of them, and what is said when it can't be had."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.adapters.adapter import Adapter, Publish, Subscribe, find
from loadtests.lab import foreign, targets
from loadtests.lab.errors import ServerError, UsageError
from loadtests.lab.foreign import TOKEN_VARIABLE, Foreign, ForeignServer
from loadtests.scenarios.scenario import CellPlan, Scenario
from loadtests.scenarios.spec import Load

WANTS_TOKEN = """
name = "mine"
about = "my own"
protocol = "sse"
[subscribe]
path = "/{token}"
[publish]
path = "/pub"
"""


@pytest.fixture
def listening() -> Iterator[Foreign]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Foreign("127.0.0.1", server.getsockname()[1], find("nchan-sse")[0])


def scenario(**cell: object) -> Scenario:
    load = Load(name="a", subscribers=2, rate_per_s=1.0)
    return Scenario(name="test", about="", cells=(CellPlan(**({"load": load} | cell)),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("urls", "names", "said"),
    [
        ([], ["nchan"], "--adapter nchan needs --target URL"),
        (
            ["http://h:1", "http://h:2"],
            ["nchan-sse", "nchan-websocket"],
            "--target is given 2 times: a run measures one foreign server; make a run for each",
        ),
        (["http://h:1"], [], "--target http://h:1 needs --adapter: .*nchan-longpoll"),
        (["http://h:1"], ["nonsense"], "--adapter: no adapter 'nonsense'"),
        (["https://h"], ["nchan"], r"--target 'https://h': http://HOST\[:PORT\] is allowed"),
        (["http://h:x"], ["nchan"], "--target 'http://h:x'"),
        (["http://h/path"], ["nchan"], "--target 'http://h/path'.* paths are the adapter's"),
        (["http://u:p@h"], ["nchan"], "--target"),
    ],
)
def test_what_can_not_be_selected_is_said(urls: list[str], names: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        foreign.selected(urls, names)


def test_a_family_is_selected_at_once_and_nothing_without_a_target() -> None:
    assert foreign.selected([], []) == ()
    found = foreign.selected(["http://[::1]:81"], ["nchan"])
    assert [each.adapter.protocol for each in found] == ["longpoll", "sse", "websocket"]
    assert {each.url for each in found} == {"http://[::1]:81"}


def test_a_token_comes_from_the_environment_and_stays_out_of_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(WANTS_TOKEN)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(UsageError, match=f"the adapter mine sends a token: give it in {TOKEN_VARIABLE}"):
        foreign.selected(["http://h"], [str(path)])
    monkeypatch.setenv(TOKEN_VARIABLE, "a\r\nb")
    with pytest.raises(UsageError, match="holds other than printable ASCII"):
        foreign.selected(["http://h"], [str(path)])
    monkeypatch.setenv(TOKEN_VARIABLE, "s3cret")
    (found,) = foreign.selected(["http://h"], [str(path)])
    assert found.token == "s3cret"
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ({"kind": "stack"}, "the load a is of the kind stack, which only our own servers have"),
        ({"fanout": "portable"}, "has fanout portable"),
        ({"link": "rtt=50ms"}, "has the link rtt=50ms: the lab lays links only to servers it starts itself"),
        ({"load": Load(name="a", subscribers=2, rate_per_s=1.0, publishers=2)}, "has 2 publishers in a room"),
    ],
)
def test_cells_that_no_foreign_server_can_be_asked_for_are_refused(
    cell: dict[str, object], said: str, listening: Foreign
) -> None:
    foreign.require_measurable(scenario(), [listening])
    with pytest.raises(UsageError, match=said):
        foreign.require_measurable(scenario(**cell), [listening])


@pytest.mark.parametrize(
    ("listened", "published", "part"),
    [("/in", "/out/{room}", "subscribe"), ("/in/{room}", "/out", "publish"), ("/in/{{room}}", "/out", "subscribe")],
)
def test_two_rooms_need_an_adapter_that_names_them(listened: str, published: str, part: str) -> None:
    def server(subscribe: Subscribe, publish: Publish) -> Foreign:
        return Foreign(
            "h", 1, Adapter(name="mine", about="", protocol="websocket", subscribe=subscribe, publish=publish)
        )

    two = scenario(load=Load(name="a", subscribers=2, rate_per_s=1.0, rooms=2))
    nameless = server(Subscribe(path=listened), Publish(path=published))
    with pytest.raises(
        UsageError, match=rf"a has 2 rooms, and the adapter mine names none in its \[{part}\]: put {{room}}"
    ):
        foreign.require_measurable(two, [nameless])
    foreign.require_measurable(scenario(), [nameless])
    in_header = server(Subscribe(path="/in", headers={"X-Room": "{room}"}), Publish(path="", body="{content}"))
    foreign.require_measurable(two, [in_header])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["nchan-sse", "sse"], "the adapter sse is named like a transport of the lab: give it another name"),
        (["mine", "mine"], "2 adapters are named mine: give each a name of its own"),
    ],
)
def test_rows_of_one_name_are_refused(names: list[str], said: str) -> None:
    targets.require_own_names(["nchan-sse", "mine"])
    with pytest.raises(UsageError, match=said):
        targets.require_own_names(names)


def test_memory_needs_a_process_that_can_be_seen(listening: Foreign) -> None:
    memory = scenario(kind="memory", hold_s=1.0)
    foreign.require_measurable(memory, [listening])
    elsewhere = Foreign("192.0.2.1", 80, listening.adapter)
    assert elsewhere.processes() == ()
    with pytest.raises(UsageError, match="no process of this machine is seen to listen"):
        foreign.require_measurable(memory, [elsewhere])


def test_a_server_is_watched_by_the_processes_that_listen_and_left_running(listening: Foreign) -> None:
    with ForeignServer(listening) as server:
        server.wait_ready(lambda: None)
        server.check_alive()
        assert server.processes() == (os.getpid(),)
    socket.create_connection((listening.host, listening.port), 5).close()


def test_a_server_that_is_not_there_is_said() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server = ForeignServer(Foreign("127.0.0.1", closed.getsockname()[1], find("nchan-sse")[0]))
        with pytest.raises(ServerError, match=r"nothing answers at http://127\.0\.0\.1:"):
            server.wait_ready(lambda: None, timeout_s=0.2)
