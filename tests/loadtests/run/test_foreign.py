"""Foreign servers: what may be asked of them, and what is said when it can't be had."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from loadtests.records.adapter import Adapter, Publish, Subscribe, find
from loadtests.records.cell_spec import Load
from loadtests.records.disruption import Disruption
from loadtests.records.errors import ServerError, UsageError
from loadtests.run import foreign, targets
from loadtests.run.foreign import TOKEN_VARIABLE, Foreign, ForeignServer
from loadtests.run.scenario import CellPlan, Scenario

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
        ([], ["nchan"], r"--adapter nchan needs --target URL, or `target` or \[server\] in its file"),
        (
            ["http://h:1", "http://h:2"],
            ["nchan"],
            "--target is given 2 times: give it once, with one --adapter; of sev",
        ),
        (["http://h:1"], ["nchan-sse", "nchan-websocket"], "--target is given with 2 adapters: .* file says `target`"),
        (["http://h:1"], [], "--target http://h:1 needs --adapter: .*nchan-longpoll"),
        (["http://h:1"], ["nonsense"], "--adapter: no adapter 'nonsense'"),
        (["ftp://h"], ["nchan"], r"--target 'ftp://h': http://HOST\[:PORT\] or https:// is allowed"),
        (["http://h:x"], ["nchan"], "--target 'http://h:x'"),
        (["http://h/path"], ["nchan"], "--target 'http://h/path'.* paths are the adapter's"),
        (["http://u:p@h"], ["nchan"], "--target"),
    ],
)
def test_what_can_not_be_selected_is_said(urls: list[str], names: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        foreign.selected(urls, names)


def of_file(folder: Path, text: str) -> str:
    """Write an adapter's file that is like nchan-sse but for `text`; return its path."""
    path = folder / "mine.toml"
    path.write_text(f'like = "nchan-sse"\nname = "mine"\n{text}')
    return str(path)


def test_each_file_names_its_own_server(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    mine = of_file(tmp_path, 'target = "http://127.0.0.1:9000"')
    other = of_file(tmp_path / "other", '[server]\ncommand = ["serve", "{port}"]\ncwd = ".."')
    found = foreign.selected([], [mine, other])
    assert [(each.url, each.place) for each in found] == [
        ("http://127.0.0.1:9000", "this machine"),
        ("http://127.0.0.1:0", "started by the lab"),
    ]
    assert found[1].adapter.server is not None
    assert found[1].adapter.server.cwd == str(tmp_path.resolve())


@pytest.mark.parametrize(
    ("text", "urls", "said"),
    [
        (
            'target = "http://h"',
            ["http://h:1"],
            "--target is given, and the adapter mine says where its server is: leave --target out",
        ),
        (
            '[server]\ncommand = ["serve", "{port}"]',
            ["http://h:1"],
            "--target is given, and the adapter mine says how its server is started: leave",
        ),
        ('target = "h:1"', [], r"the adapter mine's target 'h:1': http://HOST\[:PORT\] or https:// is allowed"),
        (
            'target = "http://192.0.2.1:9"\n[server]\ncommand = ["serve"]',
            [],
            r"mine has \[server\], .* its target is http://192.0.2.1:9: give an address of this machine, or leave",
        ),
    ],
)
def test_a_file_that_disagrees_about_its_server_is_refused(
    tmp_path: Path, text: str, urls: list[str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        foreign.selected(urls, [of_file(tmp_path, text)])


def test_a_token_of_its_own_goes_to_no_other_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(WANTS_TOKEN.replace('name = "mine"', 'name = "my-own"'))
    monkeypatch.setenv(TOKEN_VARIABLE, "of all")
    monkeypatch.setenv(f"{TOKEN_VARIABLE}_MY_OWN", "of mine")
    (found,) = foreign.selected(["http://h"], [str(path)])
    assert found.token == "of mine"
    (nchan,) = foreign.selected(["http://h"], ["nchan-sse"])
    assert nchan.token == "", "it sends none"


def test_pids_may_be_named(listening: Foreign, tmp_path: Path) -> None:
    named = msgspec.structs.replace(listening.adapter, pids=(os.getppid(),))
    assert os.getppid() in ForeignServer(dataclasses.replace(listening, adapter=named)).processes()
    gone = msgspec.structs.replace(listening.adapter, pids=f"file:{tmp_path / 'no.pid'}")
    with pytest.raises(ServerError, match=r"pids of the adapter nchan-sse: .*No such file"):
        ForeignServer(dataclasses.replace(listening, adapter=gone))


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
        ({"deflate": True}, "the load a has deflate True, which only our own servers have"),
        ({"coalesce_ms": 20.0}, "has coalesce_ms 20"),
        ({"transports": ("sse",)}, "no cell of the scenario test is for the adapter nchan-sse"),
    ],
)
def test_cells_that_no_foreign_server_can_be_asked_for_are_refused(
    cell: dict[str, object], said: str, listening: Foreign
) -> None:
    foreign.require_measurable(scenario(), [listening])
    with pytest.raises(UsageError, match=said):
        foreign.require_measurable(scenario(**cell), [listening])


def test_what_only_ours_are_asked_for_may_stand_beside(listening: Foreign) -> None:
    asked = scenario()
    ours = CellPlan(load=Load(name="b", subscribers=2, rate_per_s=1.0), kind="stack", transports=("sse",))
    foreign.require_measurable(msgspec.structs.replace(asked, cells=(*asked.cells, ours)), [listening])


def test_a_link_and_memory_are_for_servers_that_the_lab_starts(listening: Foreign, tmp_path: Path) -> None:
    (started,) = foreign.selected([], [of_file(tmp_path, '[server]\ncommand = ["serve", "{port}"]')])
    foreign.require_measurable(scenario(link="rtt=50ms"), [started])
    foreign.require_measurable(scenario(kind="memory", hold_s=1.0), [started])


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


def test_only_a_server_that_resumes_is_cut_with_a_resume(listening: Foreign) -> None:
    cut = {"disrupt": Disruption(up_s=3.0, offline_s=0.4), "kind": "cut"}
    foreign.require_measurable(scenario(**cut), [listening])
    (anew,) = foreign.selected([listening.url], ["nchan-websocket"])
    with pytest.raises(UsageError, match="nchan-websocket has none: set resume = false in the cell, or resumes = true"):
        foreign.require_measurable(scenario(**cut), [anew])
    foreign.require_measurable(scenario(**cut, resume=False), [anew])
