"""Verdicts, columns and support facts as data frames, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from loadtests.report.claims import title
from loadtests.report.quantity import UNKNOWN
from loadtests.report.verdicts import columns as table
from loadtests.report.verdicts.browsers import publications
from loadtests.report.verdicts.evidence import Evidence
from loadtests.report.verdicts.guide import Judged


def verdicts(judged: Iterable[Judged]) -> pd.DataFrame:
    """Index (topic, sentence); columns `verdict` and `condition`, texts."""
    rows = [
        {
            "topic": one.claim.topic,
            "sentence": one.claim.sentence,
            "verdict": str(one.finding.verdict),
            "condition": one.finding.conditional,
        }
        for one in judged
    ]
    return pd.DataFrame(rows).set_index(["topic", "sentence"])


def reasons(judged: Iterable[Judged]) -> pd.DataFrame:
    """Index `sentence`; columns `how it was tested`, `what came out` and `source`, texts."""
    rows = [
        {
            "sentence": one.claim.sentence,
            "how it was tested": one.claim.tested,
            "what came out": one.finding.measured,
            "source": one.finding.source,
        }
        for one in judged
    ]
    return pd.DataFrame(rows).set_index("sentence")


def columns(evidence: Evidence) -> pd.DataFrame:
    """Index `what`, a column per transport, texts; the guide's own word in brackets."""
    transports = [title(transport) for transport in table.transports(evidence)]
    rows = {
        row.name: [f"{entry.found} ({entry.guide})" if entry.guide else entry.found for entry in row.entries]
        for row in table.properties(evidence)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=transports).rename_axis("what")


def support(evidence: Evidence) -> pd.DataFrame:
    """Percent of usage by what is published: index `API`, columns full, partial, none, unknown; empty without facts."""
    apis = evidence.support.apis if evidence.support else ()
    rows = {
        api.title: [api.share.full, api.share.partial, api.share.none, api.share.unknown, api.caniuse_share.full]
        for api in apis
    }
    names = ["full", "partial", "none", "unknown", "full by caniuse alone"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("API")


def sources(evidence: Evidence) -> pd.DataFrame:
    """Which evidence lies beside the run, a dash where none does: index `evidence`, columns `what it is`, `which`."""
    reports = (
        ("faults.json", "servers and Redis killed, peers stalled and cut", evidence.faults),
        ("foil.json", "the guide's own server and ours, looked at for the same faults", evidence.foil),
        ("complexity.json", "our code, counted", evidence.complexity),
        ("traits.json", "what a connection can do, tried out", evidence.traits),
    )
    rows = [{"evidence": "run.json", "what it is": "this run", "which": evidence.study.run.run_id}]
    rows += [
        {"evidence": name, "what it is": what, "which": f"commit {report.commit}" if report else UNKNOWN}
        for name, what, report in reports
    ]
    browsers = evidence.browser_run
    rows.append(
        {
            "evidence": "browser.json",
            "what it is": "browsers examined",
            "which": browsers.run_id if browsers else UNKNOWN,
        }
    )
    links = evidence.links
    rows.append(
        {"evidence": "links.json", "what it is": "a run over links", "which": links.run_id if links else UNKNOWN}
    )
    facts = publications(evidence.support) if evidence.support else UNKNOWN
    rows.append({"evidence": "facts.json", "what it is": "published browser facts", "which": facts})
    return pd.DataFrame(rows).set_index("evidence")
