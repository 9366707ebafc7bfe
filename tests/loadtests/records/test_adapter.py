"""Adapter files: the lab's own are sound, and those of others are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.records import adapter, own_server, placeholders
from loadtests.records.errors import AdapterError
from tests.loadtests.records.adapter_files import GOOD, LONGPOLL, POLL, STEPS, read


@pytest.mark.parametrize("name", adapter.FILES.named())
def test_a_named_adapter_is_sound_and_named_like_its_file(name: str) -> None:
    (found,) = adapter.find(name)
    assert found.name == name
    assert found.about
    assert name.endswith(found.protocol)


def test_a_family_is_found_by_its_first_name() -> None:
    assert [each.name for each in adapter.find("nchan")] == ["nchan-longpoll", "nchan-sse", "nchan-websocket"]


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    assert (found.name, found.protocol, found.wants_token, found.publishes_over_socket) == (
        "mine",
        "websocket",
        True,
        False,
    )
    over_socket = read(tmp_path, GOOD.replace('path = "/pub"\n', "").replace("{token}", "none"))
    assert (over_socket.wants_token, over_socket.publishes_over_socket) == (False, True)
    assert read(tmp_path, LONGPOLL).subscribe.probe_path == "/now"
    assert [step.send[:4] for step in read(tmp_path, STEPS).subscribe.script] == ["", "join"]
    assert read(tmp_path, POLL).subscribe.captured == {"place"}


@pytest.mark.parametrize(
    ("name", "said"),
    [("nonsense", "no adapter 'nonsense': .* nchan-longpoll, nchan-sse"), ("nowhere.toml", "can't read the adapter")],
)
def test_what_is_not_there_is_said(name: str, said: str) -> None:
    with pytest.raises(AdapterError, match=said):
        adapter.find(name)


def test_what_is_filled_in_is_not_read_again() -> None:
    values = {"room": "{token}", "token": "{content}", "content": "c{room}"}
    assert placeholders.filled("{room}/{token}/{content}", values) == "{token}/{content}/c{room}"
    assert placeholders.filled('{"a":{"b":"{other}"}}', values) == '{"a":{"b":"{other}"}}'


def test_a_word_in_double_braces_is_sent_in_single_ones(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD.replace('{"join":"{room}"}', "subscribe{{room}}{ x {{id}} } in {room}"))
    first = placeholders.filled(found.subscribe.first_message, {"room": "r1"})
    assert first == "subscribe{room}{ x {id} } in r1"


STARTED = GOOD.replace(
    "[subscribe]",
    """pids = "tree"
version = ["node", "--version"]
[server]
command = ["node", "server.js", "{port}"]
cwd = "app"
env = { HOST = "{host}" }
ready = "GET /health"
[subscribe]""",
)


def test_a_file_may_say_how_its_server_is_started(tmp_path: Path) -> None:
    found = read(tmp_path, STARTED)
    server = found.server
    assert server is not None
    assert (server.cwd, server.ready_path, found.version) == (
        str(tmp_path.resolve() / "app"),
        "/health",
        ("node", "--version"),
    )
    words = [own_server.filled(each, host="h", port=7, folder=tmp_path) for each in ("{port}", "{host}", "${x}{y}")]
    assert words == ["7", "h", "${x}{y}"]
    assert found.spoken.server is None
    assert found.spoken.subscribe == found.subscribe
    assert not read(tmp_path, STARTED.replace("{token}", "none").replace("{host}", "{token}")).wants_token


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('["node", "server.js", "{port}"]', "[]", "server.command is empty; allowed: a program and its arguments"),
        ('"{port}"]', '"80"]', r"server.command is without {port}: node server.js 80; allowed: {port} .*, or `target`"),
        (
            'pids = "tree"',
            'target = "http://127.0.0.1:1"',
            "target is http://127.0.0.1:1, and .server. says {port}; all",
        ),
        ("GET /health", "POST /health", "server.ready is 'POST /health'; allowed: \"GET /path\", or left out"),
        ("HOST =", '"A B" =', "server.env is 'A B'; allowed: names of variables"),
        ('"tree"', '"parent"', 'pids is .parent.; allowed: "tree", "file:/path", or a list of pids'),
        ('"tree"', "[4711]", r"pids is \[4711\]; allowed: .* a list of pids of a server that runs already"),
        ('["node", "--version"]', "[]", "version is empty; allowed: a text, or a command"),
    ],
)
def test_a_server_that_could_not_be_started_or_found_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in STARTED
    with pytest.raises(AdapterError, match=said):
        read(tmp_path, STARTED.replace(old, new))


def test_a_file_may_be_like_an_adapter_of_the_lab(tmp_path: Path) -> None:
    found = read(tmp_path, 'like = "nchan-sse"\nname = "mine"\ntarget = "http://127.0.0.1:1"')
    assert (found.name, found.target) == ("mine", "http://127.0.0.1:1")
    assert found.subscribe == adapter.find("nchan-sse")[0].subscribe
    with pytest.raises(AdapterError, match=r"like is 'nchan'; allowed: .*nchan-longpoll, nchan-sse"):
        read(tmp_path, 'like = "nchan"')


@pytest.mark.parametrize(
    "text",
    [
        POLL.replace("values = ", "resumes = true\nvalues = "),
        STEPS.replace("join {room}", "join {room} after {place}").replace("values = ", "resumes = true\nvalues = "),
        LONGPOLL.replace("probe_path", 'resumes = true\nresume_headers = { If-None-Match = "Etag" }\nprobe_path'),
        LONGPOLL.replace('"longpoll"', '"sse"').replace('probe_path = "/now"', "resumes = true"),
        STEPS.replace("values = ", 'resumes = true\nclient = "mine.py:Mine"\nvalues = '),
    ],
)
def test_a_subscription_resumes_where_something_says_the_place(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, text).subscribe.resumes
