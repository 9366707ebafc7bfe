"""The guide's column of complexity, and "ease": branches of our own server and client code, counted by a tool.

Branches, not lines: how many ways there are through the code is what has to be understood and tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadtests.report.claims import in_prose
from loadtests.report.quantity import digits, listed
from loadtests.report.verdicts.delay import usable
from loadtests.report.verdicts.evidence import Complexity, Evidence, Part
from loadtests.report.verdicts.ruling import EASIER_RATIO, Finding, Rule, Verdict, not_tested

_MISSING = "No count of this code lies beside this run."
_COMPARED = ("socketio", "websocket")


def complexity(transport: str, words: Mapping[str, str]) -> Rule:
    """Make the rule for "low" or "medium": fewer branches than each of the other word, or more.

    `words`: the guide's whole column. The words are an order, not an amount, so only the order is judged.
    """

    def rule(evidence: Evidence) -> Finding:
        counted = evidence.complexity
        if counted is None or not (own := branches(counted, transport)):
            return not_tested(_MISSING)
        low = words[transport] == "low"
        others = {t: found for t, word in words.items() if word != words[transport] and (found := branches(counted, t))}
        if not others:
            return not_tested(_MISSING)
        fitting = [t for t, found in others.items() if (own < found if low else own > found)]
        verdict = (
            Verdict.TRUE if len(fitting) == len(others) else Verdict.TRUE_IF if fitting else Verdict.FALSE
        )  # fmt: skip
        against = listed([f"{in_prose(t)} {found}" for t, found in others.items()])
        return Finding(
            verdict,
            f"{size(counted, transport)}. Branches of those the guide calls {'medium' if low else 'low'}: {against}.",
            f"compared with {listed([in_prose(t) for t in fitting])}" if verdict is Verdict.TRUE_IF else "",
            f"complexity.json, commit {counted.commit}",
        )

    return rule


def ease(evidence: Evidence) -> Finding:
    """Judge "Socket.IO for ease of use" by the code that it leaves to write, and name its price from the run.

    Client and server by themselves: the client on each side's usual library, the server as ours is. Easier on both is
    true, on neither false; on one it depends on which of the two is yours to write.
    """
    counted = evidence.complexity
    if counted is None:
        return not_tested(_MISSING)
    sides = {"client": (counted.others, "stock client"), "server": (counted.rows, "server")}
    own, plain = ({side: _of(*where, transport) for side, where in sides.items()} for transport in _COMPARED)
    if not all((*own.values(), *plain.values())):
        return not_tested(_MISSING)
    easier = [side for side in sides if _branches(own[side]) <= EASIER_RATIO * _branches(plain[side])]
    verdict = Verdict.TRUE if len(easier) == len(sides) else Verdict.TRUE_IF if easier else Verdict.FALSE
    said = [f"its {side} {_size(own[side])}, WebSocket's {_size(plain[side])}" for side in sides]
    return Finding(
        verdict,
        f"What Socket.IO leaves to write: {'; '.join(said)}. {price(evidence)}".rstrip(),
        f"only the {easier[0]} is yours to write" if verdict is Verdict.TRUE_IF else "",
        f"complexity.json, commit {counted.commit}; {evidence.run}",
    )


def price(evidence: Evidence) -> str:
    """Say what Socket.IO costs as a multiple of WebSocket under the heaviest load that both were measured under."""
    plain = {result.condition.load: result for result in usable(evidence, "websocket")}
    for result in reversed(usable(evidence, "socketio")):
        other = plain.get(result.condition.load)
        if other is None:
            continue
        ratios = [
            f"{digits(dear.value / cheap.value, 2)} times {what}"
            for what, dear, cheap in (
                ("the bytes", result.costs.bytes_down, other.costs.bytes_down),
                ("the server's processor time", result.costs.server_cpu_us, other.costs.server_cpu_us),
            )
            if dear and cheap and cheap.value
        ]
        if ratios:
            return f"Each message takes {listed(ratios)}."
    return ""


def branches(counted: Complexity, transport: str) -> int:
    """Sum the branches of a transport's server and client; 0 unless both were counted."""
    parts = [part for part in counted.rows if part.transport == transport]
    return _branches(parts) if {"server", "client"} <= {part.part for part in parts} else 0


def size(counted: Complexity, transport: str) -> str:
    """Return lines and branches of server and client together, in words."""
    return _size([part for part in counted.rows if part.transport == transport])


def _of(parts: Sequence[Part], kind: str, transport: str) -> list[Part]:
    return [part for part in parts if part.part == kind and part.transport == transport]


def _branches(parts: Sequence[Part]) -> int:
    return sum(part.branches for part in parts)


def _size(parts: Sequence[Part]) -> str:
    return f"{sum(part.lines for part in parts):,} lines with {_branches(parts):,} branches"
