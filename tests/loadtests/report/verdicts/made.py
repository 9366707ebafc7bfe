"""Evidence of a run in which every sentence is decided: each test changes one thing and decides again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from loadtests.records import facts
from loadtests.records.facts import Complexity, Need, Part, Share, Trait, Traits
from loadtests.records.schema import Run, Validity
from loadtests.report import claims
from loadtests.report.bootstrap import Estimate
from loadtests.report.claims import GUIDE_LATENCY_MS
from loadtests.report.condition import Result
from loadtests.report.study import Study
from loadtests.report.verdicts.evidence import Browser, CutResult, CutRun, Evidence, Fault, Faults, Foil, FoilRow

BRANCHES = {"websocket": 60, "sse": 30, "longpoll": 40, "shortpoll": 20, "h2push": 90, "socketio": 35}

FAULTS = Faults(
    commit="abc1234",
    rows=(
        Fault("half-open", "all transports", {"vanishing-websocket_left_after_s": 4.0, "bound_s": 7.0}, True),
        Fault("order", "2 instances", {"received": 1000, "lost": 0}, True),
        Fault("load", "websocket", {"deliveries": 500, "lost": 0}, True),
        Fault("server-kill", "all transports", {"kills": 3, "lost": 0}, True),
        Fault("redis-client-kill", "all transports", {"kills": 20, "lost": 0}, True),
    ),
)
FOIL = Foil(
    commit="abc1234",
    rows=tuple(
        FoilRow(fault, True, False, "came to harm", "stood")
        for fault in ("any_user_id", "foreign_origin", "no_rate_limit", "markup_relayed", "delivered_twice")
    ),
)
COMPLEXITY = Complexity(
    commit="abc1234",
    rows=tuple(
        Part(transport, part, f"{transport}.py", 5 * found, found // 2, 3)
        for transport, found in BRANCHES.items()
        for part in ("server", "client")
    ),
    others=(
        Part("websocket", "stock client", "users.py:WebSocket", 30, 10, 1),
        Part("socketio", "stock client", "users.py:SocketIo", 20, 5, 1),
    ),
    needs=(Need("sse", "the browser", "Last-Event-ID", "a POST beside it", "no buffering"),),
)
TRAITS = Traits(
    1, "abc1234", "1.22.1", (Trait("websocket", True, "refused", "passes"), Trait("sse", False, "passes", "passes"))
)

CUTS = CutRun(
    "20260101T000000Z-cuts-abc1234",
    (
        CutResult("websocket", "valid", expected=1000, lost=118, resume=False, up_s=4.5, offline_s=0.6),
        CutResult("websocket", "valid", expected=1000, resume=True, up_s=4.5, offline_s=0.6),
        CutResult("sse", "invalid", expected=1000, lost=900, resume=False, up_s=4.5, offline_s=0.6),
        CutResult("websocket", "valid", expected=1000, lost=7),
    ),
)


def evidence(study: Study) -> Evidence:
    """Return evidence with every report there; the support facts are the committed ones."""
    return Evidence(
        study=study,
        faults=FAULTS,
        foil=FOIL,
        complexity=COMPLEXITY,
        traits=TRAITS,
        browser_run=browser_run(study.run, Browser("chromium", {"h2push.enable_push": 0, "api.websocket": True})),
        cuts=CUTS,
        support=facts.load(),
    )


def browser_run(run: Run, *browsers: Browser) -> Run:
    """Return a run whose manifest holds what browsers were found to do."""
    sections = {f"browser_{browser.name}": dict(browser.found) for browser in browsers}
    return msgspec.structs.replace(run, manifest={**run.manifest, **sections})


def with_medians(study: Study, transport: str, medians_ms: Sequence[float], links: Sequence[str] = ()) -> Study:
    """Return the study with a transport's table made of exact medians, the first condition on loopback."""
    pattern = next(result for result in study.results if result.p50 is not None)
    made = [
        _result(pattern, transport, median_ms, links[n] if n < len(links) else "loopback", f"{n}x10")
        for n, median_ms in enumerate(medians_ms)
    ]
    others = tuple(result for result in study.results if result.condition.transport != transport)
    return replace(study, results=(*others, *made))


def _result(pattern: Result, transport: str, median_ms: float, link: str, load: str) -> Result:
    median = Estimate(median_ms, median_ms, median_ms, 3)
    return replace(
        pattern,
        condition=replace(pattern.condition, transport=transport, link=link, load=load),
        validity=Validity.VALID,
        p50=median,
        claim=claims.judge(transport, median, GUIDE_LATENCY_MS),
    )


def with_fault(found: Evidence, scenario: str, measured: Mapping[str, float], *, passed: bool = True) -> Evidence:
    """Return the evidence with a fault scenario's figures changed."""
    rows = tuple(
        msgspec.structs.replace(row, measured={**row.measured, **measured}, passed=passed)
        if row.scenario == scenario
        else row
        for row in FAULTS.rows
    )
    return replace(found, faults=msgspec.structs.replace(FAULTS, rows=rows))


def with_foil(found: Evidence, fault: str, *, foil_faulty: bool, ours_faulty: bool) -> Evidence:
    """Return the evidence with the outcome of one fault changed."""
    rows = tuple(
        msgspec.structs.replace(row, foil_faulty=foil_faulty, ours_faulty=ours_faulty) if row.fault == fault else row
        for row in FOIL.rows
    )
    return replace(found, foil=msgspec.structs.replace(FOIL, rows=rows))


def with_branches(found: Evidence, transport: str, branches: int) -> Evidence:
    """Return the evidence with a transport's branches changed."""
    rows = tuple(
        msgspec.structs.replace(row, branches=branches // 2) if row.transport == transport else row
        for row in COMPLEXITY.rows
    )
    return replace(found, complexity=msgspec.structs.replace(COMPLEXITY, rows=rows))


def with_stock_client(found: Evidence, transport: str, branches: int) -> Evidence:
    """Return the evidence with the branches of a transport's client on its usual library changed."""
    assert found.complexity is not None
    others = tuple(
        msgspec.structs.replace(part, branches=branches) if part.transport == transport else part
        for part in found.complexity.others
    )
    return replace(found, complexity=msgspec.structs.replace(found.complexity, others=others))


def with_share(found: Evidence, api: str, share: Share) -> Evidence:
    """Return the evidence with the published share of one API changed."""
    assert found.support is not None
    apis = tuple(msgspec.structs.replace(one, share=share) if one.name == api else one for one in found.support.apis)
    return replace(found, support=msgspec.structs.replace(found.support, apis=apis))
