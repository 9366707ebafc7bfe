"""The committed facts: whole, dated, made again byte for byte, and called old when they are."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

from loadtests.evidence import support as published
from loadtests.evidence.support import QUESTIONS, packages
from loadtests.evidence.support import __main__ as command
from loadtests.records.errors import SupportError
from loadtests.records.facts import FACTS, STALE_AFTER_DAYS, Facts, encode, load, stale
from tests.loadtests.evidence.support.published import CANIUSE, mdn


def test_the_committed_file_answers_every_question() -> None:
    facts = load()
    assert [api.name for api in facts.apis] == [question.name for question in QUESTIONS]
    assert {source.package for source in facts.sources} == {published.MDN, published.CANIUSE}
    assert FACTS.read_bytes() == encode(facts)


def test_shares_are_whole_and_two_publications_agree() -> None:
    for api in load().apis:
        for share in (api.share, api.caniuse_share):
            assert sum(msgspec.structs.astuple(share)) == pytest.approx(100, abs=0.03)
        if not api.removals:
            assert api.share.full >= api.caniuse_share.full - 1
            assert api.share.full <= api.caniuse_share.full + api.caniuse_share.partial + 1


def test_the_same_packages_give_the_same_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "QUESTIONS", [])
    both = [published.made(mdn(tmp_path, {}), CANIUSE, "1.2.3", "4.5.6") for _ in range(2)]
    assert encode(both[0]) == encode(both[1])
    assert [source.date for source in both[0].sources] == ["2026-01-02", "2023-11-14"]


def test_facts_older_than_a_year_are_called_old() -> None:
    facts = load()
    year = timedelta(days=STALE_AFTER_DAYS)
    assert stale(facts, facts.oldest + year) == ""
    assert str(facts.oldest) in stale(facts, facts.oldest + year + timedelta(days=1))


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SupportError, match=r"none\.json"):
        load(tmp_path / "none.json")
    other = msgspec.structs.replace(load(), schema=99)
    (tmp_path / "new.json").write_bytes(encode(other))
    with pytest.raises(SupportError, match="version 99"):
        load(tmp_path / "new.json")


def _without_a_network(mdn_version: str, caniuse_version: str) -> Facts:
    facts = load()
    named = {published.MDN: mdn_version, published.CANIUSE: caniuse_version}
    sources = tuple(msgspec.structs.replace(s, version=named[s.package], date="2020-01-01") for s in facts.sources)
    return msgspec.structs.replace(facts, sources=sources)


def test_the_command_asks_for_the_versions_that_the_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "fetched", _without_a_network)
    file = tmp_path / "facts.json"
    file.write_bytes(FACTS.read_bytes())
    assert command.main(["--file", str(file)]) == 0
    assert [source.version for source in load(file).sources] == [source.version for source in load().sources]
    assert f"{date(2020, 1, 1)}" in capsys.readouterr().err


def test_the_newest_versions_are_asked_of_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "fetched", _without_a_network)
    monkeypatch.setattr(packages, "newest", lambda package: f"9.{len(package)}.0")
    file = tmp_path / "facts.json"  # there is none yet: nothing is read from it
    assert command.main(["--newest", "--file", str(file)]) == 0
    versions = {source.package: source.version for source in load(file).sources}
    assert versions == {name: f"9.{len(name)}.0" for name in (published.MDN, published.CANIUSE)}


def test_the_check_writes_nothing_and_tells_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "fetched", _without_a_network)
    file = tmp_path / "facts.json"
    file.write_bytes(FACTS.read_bytes())
    assert command.main(["--check", "--file", str(file)]) == 1
    assert "not what its sources give" in capsys.readouterr().err
    assert file.read_bytes() == FACTS.read_bytes()
