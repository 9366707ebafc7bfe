"""docs/advise.md shows what the code answers today, and each of its cases has the answer that it argues for."""

from __future__ import annotations

from typing import cast

import msgspec
import pytest

from loadtests.records import advised, facts, prices
from loadtests.records.errors import RunError
from loadtests.records.facts import Traits
from loadtests.report.advise import cases, examples, points, sources
from loadtests.report.advise.advice import Basis
from loadtests.report.advise.cases import Example
from loadtests.report.advise.costing import costings
from loadtests.report.study import Study
from loadtests.report.verdicts.evidence import REFERENCE, Evidence
from tests.loadtests.report.advise import planted


@pytest.fixture(scope="module")
def committed() -> Basis:
    """What `advice.basis` reads, without working out the reference run, whose loads are not used beside the file."""
    traits = msgspec.json.decode((REFERENCE / "traits.json").read_bytes(), type=Traits)
    evidence = Evidence(study=cast(Study, None), support=facts.load(), traits=traits)
    found = tuple(points.further(REFERENCE / points.FILE))
    return Basis("the reference", costings(found), evidence, None)


@pytest.mark.parametrize("example", cases.load(), ids=lambda example: example.name)
def test_each_case_has_the_answer_that_is_argued_for(example: Example, committed: Basis) -> None:
    advice = examples.answered(example, committed)
    assert advice.ranked, [option.out for option in advice.out]
    assert advice.ranked[0].option.transport == example.expected


def test_the_page_is_what_the_code_would_write(committed: Basis) -> None:
    text = examples.PAGE.read_text(encoding="utf-8")
    made = examples.block(committed, advised.read(REFERENCE))
    assert examples.written(text, made) == text, "python -m loadtests.report.advise.examples writes it"
    assert len(text.splitlines()) <= 150


def test_the_page_of_prices_is_what_the_code_would_write() -> None:
    text = sources.PAGE.read_text(encoding="utf-8")
    assert sources.written(text) == text, "python -m loadtests.report.advise.examples writes it"


def test_other_sources_make_another_page() -> None:
    paid = prices.find("eu-small")
    shown = sources.table([("mine", msgspec.structs.replace(paid, read=paid.read[:1]))])
    assert "| `mine`, EUR | machine.per_month 19.99 | [agentdeals, pull request 1286" in shown
    assert "machine.vcpus 2, machine.memory_gib 4, machine.processor_share 0.7, egress.per_gb 0.001" in shown
    assert shown.endswith("| unverified |  |  |  |")


def test_other_measurements_make_another_page(committed: Basis, evidence: Evidence) -> None:
    other = planted.basis(evidence, {"sse": planted.TRUTHS["sse"]})
    assert examples.table(other) != examples.table(committed)
    assert "| Server-Sent Events |" in examples.table(other)


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(RunError, match="must hold the lines"):
        examples.written("nothing here", "block")


def test_ten_cases_and_three_of_them_checked() -> None:
    assert len(cases.load()) == 10
    assert sum(bool(example.check) for example in cases.load()) == 3
