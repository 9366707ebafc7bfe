"""Boxes as data: what is told stands in the configuration, in its place, and bad data is one sentence."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtests.records.errors import ScenarioError
from loadtests.run import boxes
from loadtests.run.boxes import Setting, Variant, box

VALUES = {"listen": "8080", "upstream": "8001", "idle_s": "4", "timeout_s": "4", "user": "", "address": "127.0.0.1"}


def test_every_problem_of_a_box_that_has_settings_names_its_source() -> None:
    for program in boxes.programs():
        for setting in program.settings:
            assert setting.source or not program.package, f"{program.title}: {setting.text}"


def test_a_setting_stands_in_its_place_and_what_it_needs_once() -> None:
    nginx = boxes.FILES.find("nginx")
    plain = boxes.configured(nginx, (), VALUES, scaled=False)
    told = boxes.configured(nginx, nginx.settings, VALUES, scaled=True)
    assert "<<settings" not in plain + told
    assert "proxy_buffering" not in plain
    assert "proxy_read_timeout 4s;" not in plain
    assert told.index("map $http_upgrade") < told.index("server {") < told.index("proxy_buffering off;")
    assert told.count("map $http_upgrade") == 1
    assert "proxy_read_timeout 4s;" in told


def test_only_what_cures_a_problem_of_this_transport_is_told() -> None:
    nginx = boxes.FILES.find("nginx")
    refused = [each.text for each in nginx.cures("nginx", "websocket", frozenset({"refused"}))]
    assert "proxy_http_version 1.1;" in refused
    assert nginx.cures("nginx", "sse", frozenset({"refused"})) == ()
    assert [each.text for each in nginx.cures("nginx", "sse", frozenset({"held"}))] == ["proxy_buffering off;"]


def test_what_a_setting_tells_the_server_replaces_what_the_variant_has() -> None:
    variant = Variant(name="cut", variables=("RTLAB_HEARTBEAT_SECONDS=30", "RTLAB_RATE=0"))
    setting = Setting(text="RTLAB_HEARTBEAT_SECONDS=1", cures=("cut",), why="", place="server")
    assert box.variables((setting,), variant) == ("RTLAB_RATE=0", "RTLAB_HEARTBEAT_SECONDS=1")
    assert box.variables((), variant) == variant.variables


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cures": ["haste"]}, "allowed: refused, held"),
        ({"place": "attic"}, "its config has arguments, location, server"),
        ({"place": "server", "text": "no assignment"}, "NAME=value"),
    ],
)
def test_a_bad_setting_is_one_sentence_with_what_is_allowed(
    tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    setting = {"text": "a b;", "cures": ["held"], "why": "it helps"} | changed
    raw = {
        "order": 1, "title": "T", "program": "t", "package": "t", "version": [], "command": [],
        "config": "<<settings:location>>", "variants": [{"name": "t"}], "settings": [setting],
    }  # fmt: skip
    path = tmp_path / "t.toml"
    path.write_bytes(_toml(raw))
    with pytest.raises(ScenarioError, match=said):
        boxes.FILES.read(path)


def _toml(raw: dict[str, object]) -> bytes:
    lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in raw.items() if key not in _TABLES]
    for name in _TABLES:
        for table in raw[name]:  # type: ignore[attr-defined]
            lines.append(f"[[{name}]]")
            lines += [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in table.items()]
    return "\n".join(lines).encode()


_TABLES = ("variants", "settings")
