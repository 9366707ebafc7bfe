"""The rows of servers that are not ours: which they are, what is known of them, and what they cost beside ours.

Verdicts on the guide, and which transport is for which case, are of our rows alone wherever the run has any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loadtests.records.schema import Run, Validity
from loadtests.report.claims import in_prose
from loadtests.report.condition import Result, value_of
from loadtests.report.quantity import digits, listed
from loadtests.report.study import Study, heaviest

OURS, THEIRS = "ours", "theirs"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is not ours; empty: not known."""

    name: str  # the adapter's, and the rows'
    protocol: str = ""
    runs: str = ""  # "started by the lab", or on which machine it ran already
    program: str = ""
    version: str = ""

    @property
    def words(self) -> str:
        """Its name, and in brackets what is known of it."""
        known = ", ".join(filter(None, (self.version or self.program, self.runs)))
        return f"{self.name} ({known})" if known else self.name


def servers(run: Run) -> dict[str, Server]:
    """Return the foreign servers of a run by name, in the order in which they were asked for."""
    named = run.manifest.get("settings", {}).get("adapters")
    said = run.manifest.get("targets", {})  # no run of before 2026-11-29 has it
    names = named.split(", ") if isinstance(named, str) else []
    fields = [field for field in Server.__slots__ if field != "name"]
    return {name: Server(name, *(str(said.get(f"{name}.{field}", "")) for field in fields)) for name in names}


def whose(run: Run, transport: str) -> str:
    """Return OURS or THEIRS."""
    return THEIRS if transport in servers(run) else OURS


def ours(study: Study) -> Study:
    """Return what was worked out of our rows alone; of a run that has none, everything."""
    foreign = servers(study.run)
    results = tuple(result for result in study.results if result.condition.transport not in foreign)
    memory = {name: cost for name, cost in study.memory.items() if name not in foreign}
    return replace(study, results=results, memory=memory) if foreign and (results or memory) else study


def sentence(run: Run) -> str:
    """Say which rows are not ours; empty where all are."""
    foreign = servers(run)
    said = f"Theirs, by an adapter each: {listed([each.words for each in foreign.values()])}."
    beside = any(cell.transport not in foreign for cell in run.cells)
    return "" if not foreign else said + (" What is said of the guide is of our rows only." if beside else "")


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that is not ours beside ours, of one protocol and under one load."""

    server: Server
    plain: Result
    other: Result

    def ratio(self, figure: str) -> float | None:
        """Return how many times ours one of the costs of theirs is; None where one is unknown or invalid."""
        found = [value_of(getattr(result.costs, figure)) for result in (self.plain, self.other)]
        usable = Validity.INVALID not in (self.plain.validity, self.other.validity)
        return found[1] / found[0] if usable and found[0] and found[1] else None


def peers(study: Study) -> list[Peer]:
    """Return each foreign server of the heaviest load with our transport of its protocol, in the table's order."""
    foreign, shown = servers(study.run), {result.condition.transport: result for result in heaviest(study)}
    return [
        Peer(foreign[name], shown[protocol], result)
        for name, result in shown.items()
        if name in foreign and (protocol := foreign[name].protocol) in shown and protocol not in foreign
    ]


def peers_sentence(found: Sequence[Peer]) -> str:
    """Say how much processor time theirs take beside ours, protocol by protocol; empty where nothing is known."""
    parts = []
    for protocol in dict.fromkeys(peer.server.protocol for peer in found):
        ratios = {
            peer.server.name: ratio
            for peer in found
            if peer.server.protocol == protocol and (ratio := peer.ratio("server_cpu_us"))
        }
        said = [f"{name} {digits(ratio)} times" for name, ratio in sorted(ratios.items(), key=lambda each: each[1])]
        if said:
            parts.append(f"over {in_prose(protocol)} {listed(said)}")
    return f"One protocol, other servers: {'; '.join(parts)} the processor time of ours." if parts else ""
