"""What transports' connections were found to do: the shape of `traits.json`. Values only."""

from __future__ import annotations

import msgspec


class Trait(msgspec.Struct, frozen=True):
    """What one connection of a transport can do, tried out (`python -m loadtests.evidence.traits`)."""

    transport: str
    duplex: bool  # a message sent on the connection that events arrive on came back on it while that stayed open
    proxy: str  # through nginx's defaults: "passes", "held back", "refused"; "" where it was not tried
    proxy_told: str  # the same with the settings that nginx's manual names for streams


class Traits(msgspec.Struct, frozen=True):
    """`traits.json`."""

    schema: int
    commit: str
    nginx: str  # version; "": there was none
    rows: tuple[Trait, ...]

    def row(self, transport: str) -> Trait | None:
        """Return one transport's row."""
        return next((row for row in self.rows if row.transport == transport), None)
