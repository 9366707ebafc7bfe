"""Protocol or stack: the same transport through the server's two sinks, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.analysis.claims import in_prose
from loadtests.analysis.condition import Result
from loadtests.analysis.quantity import digits
from loadtests.analysis.study import TABLE_KINDS, Study

KIND = "stack"


@dataclass(frozen=True, slots=True)
class Pair:
    """One transport under one load, by frames written to the sockets and by plain ASGI."""

    transport: str
    direct: Result
    portable: Result

    @property
    def direct_cpu_us(self) -> float | None:
        """Server CPU per delivery in microseconds."""
        return _cpu_us(self.direct)

    @property
    def portable_cpu_us(self) -> float | None:
        """Server CPU per delivery in microseconds."""
        return _cpu_us(self.portable)

    @property
    def cpu_ratio(self) -> float | None:
        """How many times the CPU plain ASGI takes; None where either is unknown."""
        direct, portable = self.direct_cpu_us, self.portable_cpu_us
        return portable / direct if direct and portable else None


def pairs(study: Study) -> list[Pair]:
    """Return the pairs that a run holds: cells of kind `stack`, each with the tabled condition of the same load.

    A transport whose server said the same sink in both is left out: there is nothing to compare.
    """
    found: list[Pair] = []
    for portable in study.of_kind(KIND):
        for direct in study.of_kind(*TABLE_KINDS):
            same_load = _load(direct) == _load(portable)
            if same_load and _sinks(direct) == {"direct"} and _sinks(portable) == {"portable"}:
                found.append(Pair(direct.condition.transport, direct, portable))
    return found


def sentence(found: list[Pair]) -> str:
    """Say in one sentence what the pairs show; empty without any."""
    said = [f"{digits(pair.cpu_ratio)} times for {in_prose(pair.transport)}" for pair in found if pair.cpu_ratio]
    if not said:
        return ""
    listed = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    return f"The stack on top of the protocol costs processor time: plain ASGI takes {listed} what direct frames take."


def _load(result: Result) -> tuple[str, str, int, float]:
    condition = result.condition
    return condition.transport, condition.link, condition.subscribers, condition.rate_per_s


def _sinks(result: Result) -> set[object]:
    return {cell.server.get("sink") for cell in result.cells}


def _cpu_us(result: Result) -> float | None:
    return result.costs.server_cpu_us.value if result.costs.server_cpu_us else None
