"""Servers shared by the whole test session, one per distinct specification: starting one costs more than a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.kit.server import Launcher, ServerProcess, spec
from tests.contracts.kit.tls import Pair, made_pair

FANOUTS: Mapping[str, dict[str, str]] = {
    "direct": {"FANOUT": "direct"},
    "portable": {"FANOUT": "portable"},
    "ring": {"FANOUT": "direct", "WRITES": "io_uring"},  # for rooms of any size
}


@dataclass(frozen=True, slots=True)
class Variant:
    """Which implementation choices stand behind the same contract in this run of the suite."""

    backplane: str = "memory"
    fanout: str = "direct"
    redis_url: str = ""
    """Of database 0, which the servers of a pool leave to others."""
    tls: bool = False

    def settings(self, number: int) -> dict[str, str]:
        """Of the pool's server of this number, from 0. Over Redis each has a database, and so rooms, of its own: one
        that keeps less history than another would drop the other's, as instances that share rooms do.
        """
        own = FANOUTS[self.fanout]
        if self.backplane != "redis":
            return own
        return own | {"REDIS_URL": f"{self.redis_url.removesuffix('/0')}/{number + 1}"}


class ServerPool:
    """Starts servers on demand. Tests of one session must use rooms and users of their own."""

    def __init__(self, log_folder: Path, variant: Variant) -> None:
        self._log_folder = log_folder
        self._variant = variant
        self._pair: Pair | None = None
        self._shared: dict[object, ServerProcess] = {}
        self._all: list[ServerProcess] = []

    def shared(
        self, name: str, settings: Mapping[str, str] | None = None, purpose: str = "", *, tls: bool | None = None
    ) -> ServerProcess:
        """The session's server of this name and settings; started by whoever asks first.

        Tests that look at a server's totals name a `purpose`, and share their server only with each other.
        """
        key = (name, tuple(sorted((settings or {}).items())), purpose, tls)
        server = self._shared.get(key)
        if server is None or server.process.poll() is not None:
            # A server that died fails the test that killed it by its log; the next test gets a fresh one.
            server = self._shared[key] = self.own(name, settings, tls=tls)
        return server

    def own(
        self,
        name: str,
        settings: Mapping[str, str] | None = None,
        launcher: Launcher = "forked",
        *,
        start: bool = True,
        tls: bool | None = None,
    ) -> ServerProcess:
        """A server that the caller may stop; the pool ends it at the latest with the session. `tls`: if not as all."""
        pair = self.pair if (self._variant.tls if tls is None else tls) else None
        wanted = spec(name, self._variant.settings(len(self._all)) | dict(settings or {}), launcher, pair)
        server = ServerProcess(wanted, self._log_folder / f"{len(self._all):03d}-{name}.log")
        self._all.append(server)
        if start:
            server.start()
        return server

    @property
    def pair(self) -> Pair:
        """The certificate of all servers under test that have one, and its key."""
        if self._pair is None:
            self._pair = made_pair(self._log_folder)
        return self._pair

    def close(self) -> list[str]:
        """End every server; the offences found in their logs, each with the server it was found at."""
        for server in self._all:
            if server.started and server.process.poll() is None:
                server.terminate()
        offences = []
        for server in self._all:
            if server.started:
                server.stop()
                offences += [f"{server.spec.name} ({server.log_path}): {line}" for line in server.log_offences()]
        return offences
