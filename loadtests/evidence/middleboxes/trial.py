"""One pass: every question to every transport behind every box, at the same time where that bends nothing.

Each event is published past the box, and received by one client through it and by one directly: what the box adds is
the difference of the two kernel stamps, event by event.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from loadtests.evidence.middleboxes.peers import Crew, Peer
from loadtests.evidence.middleboxes.site import Site
from loadtests.evidence.middleboxes.verdicts import NOTHING_CAME
from loadtests.load.clients.polls import PollClient
from loadtests.records.errors import LabError
from loadtests.records.middleboxes import Seen
from loadtests.run.boxes.box import Timing

JOIN_S = 2.0
APART, APART_S = 12, 0.3
CLOSE, CLOSE_S, NEEDED = 1050, 0.0025, 1000  # p99 needs a thousand; a few may be on their way yet
AFTER_S = 1.5
_PARK_BYTES, _PARK_SLICE, _PARK_CHARACTERS = 8_388_608, 64, 4096
_SLOW = "rtlab_slow_consumers_total"
_PARKED = ("sse",)  # one stands for all: it is TCP and the box that hold the bytes
_BEATING = ("websocket", "sse", "fetchstream", "socketio")  # a poll's own return is its heartbeat
_PERCENTS = (50, 99)

Found = dict[tuple[str, str], dict[str, object]]
"""What is known so far, by site and transport: fields of `Seen`."""


@dataclass(frozen=True, slots=True)
class Steps:
    """How a pass is carried out: its seconds, and what to say and check between two steps."""

    timing: Timing
    wait_s: float  # of long polls
    left_within_s: float  # of `user_left`
    say: Callable[[str], None]
    check: Callable[[], None]  # raises Interrupted
    long: bool  # the first pass: also what a cure does not change


class Trial:
    """The pass over these sites; `quiet` stand before servers whose heartbeat is longer than the boxes' timeout."""

    def __init__(self, sites: Sequence[Site], quiet: Sequence[Site], steps: Steps) -> None:
        self._sites, self._quiet, self._steps = sites, quiet, steps
        self._crew = Crew()
        self._found: Found = {(site.name, record.name): {} for site in sites for record in site.asked}

    def carry_out(self) -> dict[tuple[str, str], Seen]:
        """Put every question; what was seen, by site and transport."""
        try:
            for words, step in (
                ("joining", self._join),
                ("events 0.3 s apart", self._apart),
                ("events in close order", self._close),
                ("pages", self._origins),
                ("silence", self._idle),
                ("leaving", self._leave),
                ("clients that never read", self._park),
                ("reload", self._reload),
                ("drain", self._drain),
            ):
                self._steps.check()
                self._steps.say(words)
                step()
        finally:
            self._crew.dismiss()
        return {key: Seen(**fields) for key, fields in self._found.items()}  # type: ignore[arg-type]

    def _run(self, seconds: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Let things happen, in turns short enough for Ctrl-C."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self._steps.check()
            if self._crew.run(min(left_s, 0.25), done):
                return True
        return done()

    def _members(self, *, alive: bool = True) -> Iterator[tuple[Site, str, Peer]]:
        for site in self._sites:
            for transport, peer in site.through.items():
                if not alive or (peer.alive and self._found[site.name, transport]["joined"]):  # in time
                    yield site, transport, peer

    def _join(self) -> None:
        for site in self._sites:
            for record in site.asked:
                site.direct[record.name] = site.join(self._crew, record, "room", self._steps.wait_s, through=False)
                site.through[record.name] = site.join(self._crew, record, "room", self._steps.wait_s)
        peers = [peer for _, _, peer in self._members(alive=False)]
        self._run(JOIN_S, lambda: all(peer.client.welcomed or peer.ended_s is not None for peer in peers))
        for site, transport, peer in self._members(alive=False):
            refusal = "" if peer.alive else peer.why or NOTHING_CAME
            self._found[site.name, transport] |= {"joined": peer.alive, "refusal": refusal}

    def _apart(self) -> None:
        for number in range(APART):
            for site in self._sites:
                site.publish(self._crew, "room", "apart", f"a{number}")
            self._run(APART_S)
        both = [each for site, transport, peer in self._members() for each in (peer, site.direct[transport])]
        self._run(AFTER_S, lambda: all(_all_came(peer, "a", APART) for peer in both))
        for site, transport, peer in self._members():
            added_ms = _added_ms(peer, site.direct[transport], "a")
            fields = self._found[site.name, transport]
            fields["missing"] = APART - _came(peer, "a")
            fields["apart_ms"] = statistics.median(added_ms) if len(added_ms) == APART else None

    def _close(self) -> None:
        """Events so close that a thousand take 2.5 s: box after box, since this asks for speed."""
        for site in self._sites:
            if not site.dense or site.box is None:
                continue
            began_s = time.monotonic()
            for number in range(CLOSE):
                site.publish(self._crew, "room", "close", f"c{number}")
                self._crew.run(max(0.0, began_s + (number + 1) * CLOSE_S - time.monotonic()))
                if not number % 50:
                    self._steps.check()
            members = (*site.through.values(), *site.direct.values())
            self._run(AFTER_S, lambda peers=members: all(_all_came(peer, "c", CLOSE) for peer in peers))  # type: ignore[misc]
            for transport, peer in site.through.items():
                self._note_close(site, transport, _added_ms(peer, site.direct[transport], "c"))

    def _note_close(self, site: Site, transport: str, added_ms: list[float]) -> None:
        if len(added_ms) >= NEEDED:
            centiles = statistics.quantiles(added_ms, n=100)
            p50, p99 = (centiles[percent - 1] for percent in _PERCENTS)
            found = {"added_p50_ms": p50, "added_p99_ms": p99, "messages": len(added_ms)}
            self._found[site.name, transport] |= found

    def _origins(self) -> None:
        asked = [
            (site, record.name, site.join(self._crew, record, "page", self._steps.wait_s, lines=_of_page(site)))
            for site in self._sites
            for record in site.asked
            if site.through[record.name].client.welcomed
        ]
        self._run(JOIN_S, lambda: all(peer.client.welcomed or peer.ended_s is not None for _, _, peer in asked))
        for site, transport, peer in asked:
            self._found[site.name, transport]["origin"] = "accepted" if peer.alive else peer.why or NOTHING_CAME
        self._crew.close(peer for _, _, peer in asked)

    def _idle(self) -> None:
        """Nothing is published for half as long again as the boxes' timeout."""
        quiet = [
            (site, record.name, site.join(self._crew, record, "quiet", self._steps.wait_s))
            for site in self._quiet
            for record in site.asked
            if record.name in _BEATING
        ]
        self._run(JOIN_S / 2, lambda: all(peer.client.welcomed for _, _, peer in quiet))
        quiet = [each for each in quiet if each[2].alive]
        self._run(1.5 * self._steps.timing.timeout_s)
        for site in self._sites:
            site.publish(self._crew, "room", "after", "z")
        self._run(2 * AFTER_S, lambda: all("z" in peer.received for _, _, peer in self._members()))
        for site, transport, peer in self._members(alive=False):
            fields = self._found[site.name, transport]
            if peer.cut_s is not None and peer.client.welcomed:
                fields["cut_s"] = peer.cut_s
            elif peer.alive and fields.get("missing") == 0 and "z" not in peer.received:
                fields["cut_s"] = 1.5 * self._steps.timing.timeout_s  # cut without a word
        for site, transport, peer in quiet:
            if peer.client.welcomed:
                self._found[site.name, transport] |= {"silent_asked": True, "silent_cut_s": peer.cut_s}
        self._crew.close(peer for _, _, peer in quiet)

    def _leave(self) -> None:
        """A clean close and a pulled cable, each in a room of its own with a direct watcher."""
        watched: list[tuple[Site, str, str, Peer, Peer]] = []
        for site, transport, _ in self._members():
            record = next(each for each in site.asked if each.name == transport)
            for how in ("left", "pulled"):
                room = f"{how}-{transport}"
                watcher = site.join(self._crew, site.asked[0], room, self._steps.wait_s, through=False)
                leaver = site.join(self._crew, record, room, self._steps.wait_s)
                watched.append((site, transport, how, watcher, leaver))
        self._run(JOIN_S, lambda: all(watcher.alive and leaver.alive for *_, watcher, leaver in watched))
        watched = [each for each in watched if each[3].alive and each[4].alive]
        began_s = time.monotonic()
        pulled = {each: each[2] == "pulled" and self._crew.pull(each[4]) for each in watched}
        self._crew.close(each[4] for each in watched if each[2] == "left")
        self._run(self._steps.left_within_s, lambda: all(watcher.left for *_, watcher, _ in watched))
        for each in watched:
            site, transport, how, watcher, _ = each
            fields, after_s = self._found[site.name, transport], watcher.left[0] - began_s if watcher.left else None
            fields[f"{how}_s"] = after_s
            if how == "pulled":
                said = "noticed" if after_s is not None else f"not noticed within {self._steps.left_within_s:g} s"
                fields["pulled"] = said if pulled[each] else "not tried: only Linux lets a socket drop its packets"
        self._crew.close(each[3] for each in watched)
        self._crew.close(each[4] for each in watched if each[2] == "pulled")

    def _park(self) -> None:
        """Clients that never read, one after the other: how much is published until the server cuts them."""
        for site in self._sites if self._steps.long else ():
            for record in site.asked if site.dense else ():
                if record.name in _PARKED and site.through[record.name].alive:
                    try:
                        self._park_one(site, record.name)
                    except (OSError, LabError) as error:  # its server did not say whom it cut: not tried
                        self._steps.say(f"a client that never reads, behind {site.name}: {error}")

    def _park_one(self, site: Site, transport: str) -> None:
        record = next(each for each in site.asked if each.name == transport)
        room = f"parked-{transport}"
        watcher = site.join(self._crew, site.asked[0], room, self._steps.wait_s, through=False)
        self._run(JOIN_S, lambda: watcher.alive)
        peer = site.join(self._crew, record, room, self._steps.wait_s)
        self._run(JOIN_S, lambda: peer.alive)
        if not peer.alive or not watcher.alive:
            return
        self._crew.stop_reading(peer)
        before, parked, cut = _slow_consumers(site), 0, False
        while parked < _PARK_BYTES and not cut:  # its outbox is full, or it acknowledged nothing for too long
            for number in range(_PARK_SLICE):
                site.publish(self._crew, room, "p" * _PARK_CHARACTERS, f"p{parked}.{number}")  # a ref once: no retry
                self._crew.run(0.0)
            parked += _PARK_SLICE * _PARK_CHARACTERS
            self._run(JOIN_S, lambda: site.unanswered == 0)
            cut = bool(watcher.left) or _slow_consumers(site) > before
        self._found[site.name, transport] |= {"parked_kib": parked / 1024, "parked_bounded": cut}
        self._crew.close([peer, watcher])

    def _reload(self) -> None:
        reloaded = {site.name for site in self._sites if site.box is not None and site.box.reload()}
        self._run(AFTER_S)
        members = [each for each in self._members(alive=False) if each[2].client.welcomed and each[0].name in reloaded]
        for site in self._sites:
            site.publish(self._crew, "room", "after", "r")
        self._run(AFTER_S, lambda: all("r" in peer.received or not peer.alive for _, _, peer in members))
        for site, transport, peer in members:
            came = "kept" if "r" in peer.received else "kept, and silent"
            self._found[site.name, transport]["reload"] = came if peer.alive else f"cut: {peer.why}"

    def _drain(self) -> None:
        for site, transport, peer in self._members(alive=False):
            if peer.client.welcomed and not peer.alive:  # the box's reload cut it: it comes back first
                record = next(each for each in site.asked if each.name == transport)
                site.through[transport] = site.join(self._crew, record, "room", self._steps.wait_s)
        self._run(JOIN_S, lambda: all(peer.alive for _, _, peer in self._members(alive=False)))
        members = list(self._members())
        servers = {id(site.server): site.server for site in self._sites}
        stopping = [threading.Thread(target=server.stop) for server in servers.values()]
        for thread in stopping:
            thread.start()
        self._run(2 * AFTER_S, lambda: all(peer.ended_s is not None for _, _, peer in members))
        for thread in stopping:
            thread.join()
        for site, transport, peer in members:
            hint = "" if isinstance(peer.client, PollClient) or not peer.client.retry_ms else ", with a hint"
            self._found[site.name, transport]["drain"] = f"{peer.why}{hint}" if peer.ended_s is not None else "nothing"


def _of_page(site: Site) -> str:
    return f"Origin: {site.origin}\r\n"


def _added_ms(peer: Peer, direct: Peer, stem: str) -> list[float]:
    """What each event took longer, in ms, of those that both received."""
    return [
        (peer.received[ref] - stamp_ns) / 1e6
        for ref, stamp_ns in direct.received.items()
        if ref.startswith(stem) and ref in peer.received
    ]


def _came(peer: Peer, stem: str) -> int:
    return sum(ref.startswith(stem) for ref in peer.received)


def _all_came(peer: Peer, stem: str, count: int) -> bool:
    return not peer.alive or _came(peer, stem) >= count


def _slow_consumers(site: Site) -> float:
    """Clients that a server has cut because their outbox was full."""
    _, body = site.server.get("/metrics")
    return sum(float(line.split()[-1]) for line in body.decode().splitlines() if line.startswith(_SLOW))
