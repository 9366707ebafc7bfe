"""What all users of one process share while one cell is measured: slots, clock, alarms, recorder, counts."""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from ssl import SSLContext
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

from gevent.monkey import get_original
from locust.env import Environment

from loadtests.load.clients.base import Access, Endpoint, parse_endpoint
from loadtests.load.clients.sockets import RealtimeOffset, SocketTotals
from loadtests.load.clients.tls import client_context
from loadtests.load.users.cable import Cable, Outages, planned_cuts
from loadtests.load.users.connection import Address
from loadtests.load.users.hub import Alarms, Inbox, Readers
from loadtests.load.users.locust_tables import LocustReporter
from loadtests.load.users.publisher import NS_PER_S, Candidate, Publisher, PublisherSuccession, eased, instants
from loadtests.load.users.recorder import Publications, Recorder
from loadtests.records import notes
from loadtests.records.cell_spec import CellSpec

FOREVER_NS = 2**62
MAX_SPUN_PER_S = 200
# Not gevent's, which starts a thread: ten milliseconds that the first user's connect would seem to take.
_READ_ADDRESS = get_original("socket", "getaddrinfo")


class UserSlot(NamedTuple):
    """One user's part in the cell."""

    number: int  # of the user, and of the subscriber if it listens
    room: int  # index into the cell's rooms
    listens: bool  # its deliveries are recorded
    publisher: int  # the publisher's number, -1 if it never publishes


class ListeningUser(Candidate, Protocol):
    """A user whose deliveries are recorded: `room_user.RoomUser`, as its cell sees it."""

    slot: UserSlot
    cable: Cable | None

    def socket_totals(self) -> SocketTotals | None:
        """TCP_INFO of all its connections; None where the transport cannot tell."""

    def straggle_s(self) -> float:
        """How long after its publication a delivery may take by the transport's own design."""


class Cell:
    """One cell's state. Counts are plain integers: everything happens in one thread."""

    def __init__(
        self,
        spec: CellSpec,
        environment: Environment,
        *,
        slot_of: Callable[[int], UserSlot],
        token_for: Callable[[UserSlot], str],
        own_hosts: bool = False,
    ) -> None:
        """Prepare; `slot_of(n)` places the n-th user spawned, `token_for` gives it a token.

        `own_hosts`: a user class's `host` counts before the cell's.
        """
        self.spec = spec
        self.environment = environment
        self.endpoint = parse_endpoint(spec.host)
        self._publish_endpoint = parse_endpoint(spec.publish_host) if spec.publish_host else self.endpoint
        self.clock = RealtimeOffset()
        self.alarms = Alarms()
        self.outages = Outages()
        self.readers = Readers()
        self.inbox = Inbox()
        self.recorder = Recorder(spec.cell)
        self.reporter = LocustReporter(environment.events, spec.user_class)
        self.random = random.Random(spec.seed)
        self.users: list[ListeningUser] = []
        self.publishers: list[Publisher] = []
        self.succession = PublisherSuccession(self.users, self.note)
        self.connected = 0  # listening users that are welcome right now
        self.ready = 0  # users, publishing ones included, that connected at least once
        self.connect_ms: list[float] = []
        self.told_gaps = 0
        self.reconnects = 0
        self.errors: Counter[str] = Counter()
        self.failed = ""  # why the cell cannot go on
        self.full = False  # no further user is to connect: the run is about to end
        self.stamped = True  # no read came without a kernel stamp
        self.started_ns = time.monotonic_ns()
        self.publish_from_ns = 0  # 0: publishing has not begun
        self._own_hosts = own_hosts
        self._slot_of = slot_of
        self._token_for = token_for
        self._slots = 0
        self._addresses: dict[Endpoint, tuple[Address, ...]] = {}
        self._tls: dict[tuple[str, str], SSLContext] = {}  # by host and ALPN

    def next_slot(self) -> UserSlot:
        """Take the next user's slot."""
        slot = self._slot_of(self._slots)
        self._slots += 1
        return slot

    def access(self, slot: UserSlot, host: str | None = None) -> Access:
        """The way into its room of a user whose class has `host`; raises AddressError."""
        endpoint = self.endpoint if slot.listens else self._publish_endpoint
        if self._own_hosts and host:
            endpoint = parse_endpoint(host)
        return Access(endpoint, self.spec.room_names[slot.room], self._token_for(slot))

    def addresses(self, endpoint: Endpoint) -> tuple[Address, ...]:
        """Every address of the server, looked up once, the one that took the last connection first; raises OSError."""
        if endpoint not in self._addresses:
            try:
                found = _READ_ADDRESS(
                    endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
                )
            except socket.gaierror:
                found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
            addresses = ((int(family), (str(where[0]), endpoint.port)) for family, _, _, _, where in found)
            self._addresses[endpoint] = tuple(dict.fromkeys(addresses))
        return self._addresses[endpoint]

    def prefer(self, endpoint: Endpoint, address: Address) -> None:
        """Let the next connection try `address` first: it has just taken one."""
        known = self._addresses[endpoint]
        if known[0] != address:
            self._addresses[endpoint] = (address, *(each for each in known if each != address))

    def tls(self, endpoint: Endpoint, alpn: str) -> SSLContext:
        """The TLS context of all connections to `endpoint`; raises OSError."""
        if (endpoint.host, alpn) not in self._tls:
            verify = self.spec.adapter.tls_verify if self.spec.adapter is not None else True
            self._tls[endpoint.host, alpn] = client_context(endpoint.host, alpn, verify)
        return self._tls[endpoint.host, alpn]

    def connect_at_ns(self, slot: UserSlot) -> int:
        """When the user is to connect."""
        return self.started_ns + int(slot.number * NS_PER_S / self.spec.connects_per_s)

    def deadline_ns(self) -> int:
        """When the last attempt of a first connection must have succeeded."""
        return self.started_ns + int(self.spec.connect_timeout_s * NS_PER_S)

    def add_publisher(self, slot: UserSlot, send: Callable[[str, str], None] | None) -> Publisher:
        """Make the slot's publisher; it starts at once where publishing has begun."""
        publications = Publications(slot.publisher, slot.room)
        self.recorder.publications.append(publications)
        load = self.spec.load
        spin = load.rate_per_s * load.rooms <= MAX_SPUN_PER_S
        publisher = Publisher(publications, send, self.alarms, load.payload_bytes, spin=spin)
        self.publishers.append(publisher)
        if self.publish_from_ns:
            self._start(publisher, max(self.publish_from_ns, time.monotonic_ns()), FOREVER_NS)
        return publisher

    def begin(self, from_ns: int, to_ns: int) -> None:
        """Let all publishers publish what is scheduled in [from, to), those still to come included."""
        self.publish_from_ns = from_ns
        for publisher in self.publishers:
            self._start(publisher, from_ns, to_ns)
        for user in self.users:
            if user.cable is not None and self.spec.disrupt is not None:
                seed = str(self.spec.seed)
                user.cable.follow(planned_cuts(self.spec.disrupt, user.slot.number, seed, from_ns, to_ns))

    def note(self, error: str) -> None:
        """Count an error, under its wording (`records.notes`)."""
        notes.add(self.errors, error)

    def close(self) -> None:
        """Stop publishing; give timer and watcher back."""
        for publisher in self.publishers:
            publisher.stop()
        self.alarms.close()
        self.readers.close()
        self.inbox.close()

    def _start(self, publisher: Publisher, from_ns: int, to_ns: int) -> None:
        load, publications = self.spec.load, publisher.publications
        share = publications.publisher // load.rooms  # the room's first, second, … publisher
        # Publishers of a room alternate, and rooms are staggered: the generator never sends two messages at once.
        phase = (share + publications.room / load.rooms) / load.publishers
        seed = f"{self.spec.seed}.{publications.publisher}"
        schedule = instants(load.arrivals, from_ns, load.rate_per_s / load.publishers, phase, seed)
        if to_ns < FOREVER_NS:
            schedule = eased(schedule, from_ns + int(self.spec.warm_up_s * NS_PER_S / 2))
        publisher.start(schedule, to_ns)


_CELLS: WeakKeyDictionary[Environment, Cell] = WeakKeyDictionary()


def attach(environment: Environment, cell: Cell) -> None:
    """Make `cell` the one that users of `environment` take part in."""
    _CELLS[environment] = cell


def cell_of(environment: Environment) -> Cell:
    """The cell attached to `environment`; raises LookupError."""
    try:
        return _CELLS[environment]
    except KeyError as error:
        raise LookupError("no cell is attached to this Locust environment; import loadtests.locustfile") from error
