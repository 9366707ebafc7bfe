"""How fast a server lets people in: connection, token, membership, welcome, and the news of each to all who are there.

A join of a new user is an event for everybody in the room; a further tab of a user who is there is none. The load
client is the C one, so that it is not the bottleneck: `client_busy` in its result is the share of the time that it
had work in hand.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loadtests.evidence.bench.runs import client_result
from loadtests.evidence.bench.systems import System, contract_entry, contract_token

AT_ONCE: Final = 256  # connections on their way in at any moment
_LIMIT_S: Final = 300.0  # twice the load client's own limit, and quiet before and after


@dataclass(frozen=True)
class Joins:
    """`joiners` come as fast as they are let in, to a room that `before` connections of another user listen to."""

    joiners: int
    before: int = 0
    tabs: bool = False  # all of them are one user's

    @property
    def name(self) -> str:
        """Short, unique among the loads of a bench."""
        into = f"-into-{self.before}" if self.before else ""
        return f"joins-{self.joiners}{into}{'-tabs' if self.tabs else ''}"

    @property
    def users(self) -> int:
        """How many different ones come in all."""
        return 1 if self.tabs else self.joiners + (self.before > 0)


def join_once(
    system: System, transport: str, load: Joins, server_core: int | None, client_core: int | None
) -> dict[str, Any]:
    """What the client printed: `connects_per_s`, `us_per_join` of server CPU, `p99us` from SYN to welcome, ….

    After 30 s the client counts who is in, as `n`. `missing` are the `user_joined` that the first member was not told,
    its own aside. Raises BenchError.
    """
    with tempfile.TemporaryDirectory(prefix="rtlab-joins-") as folder, system.running(server_core) as server:
        tokens = Path(folder) / "tokens"
        there = [contract_token()] * (1 if load.tabs else load.before)
        new = [] if load.tabs else [contract_token(f"u{index}") for index in range(load.joiners)]
        tokens.write_text("".join(f"{token}\n" for token in there + new))
        arguments = [*contract_entry(transport, "r", "%T"), "--tokens", str(tokens), "--joins"]
        arguments += ["-n", str(load.joiners), "--before", str(load.before), "--joinflight", str(AT_ONCE)]
        # Whether it hears of itself depends on the transport: a stream does, a poll starts after it.
        told = load.users - 1
        arguments += ["--expect", str(told)]
        what = f"{system.name} {transport} {load.name}"
        result = client_result(what, server, transport, arguments, client_core, _LIMIT_S)
    late = load.joiners - result["n"]
    result["missing"] = max(0, told - late - result["seen_joined"])
    return result
