"""`python -m tests.faults.vanish SCHEME HOST PORT SECRET USER…`: one member per user, until killed.

A user's name ends with its transport. Runs in a network of its own, so it takes everything as arguments.
"""

from __future__ import annotations

import asyncio
import sys

from loadtests.load.clients.base import Access, Endpoint
from tests.contracts.kit.tokens import claims as claims_of
from tests.contracts.kit.tokens import encode
from tests.faults.peer import connect, make_client


async def main(scheme: str, host: str, port: str, secret: str, *users: str) -> None:
    """Join the room `vanish` and stay."""
    peers = []
    for user in users:
        token = encode(claims_of(user), secret=secret)
        access = Access(Endpoint(host, int(port), scheme == "https"), "vanish", token)
        peers.append(await connect(make_client(user.rpartition("-")[2], access), lambda event: None))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
