"""Everything that is said about a transport, one record each: data only, which servers and instrument both read.

A record is a TOML file here, named like its transport. `RTLAB_CATALOGUE=FOLDER[:FOLDER]` adds records of other folders;
the modules that they name must be importable, and are imported by who needs them.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

VARIABLE: Final = "RTLAB_CATALOGUE"
_FOLDER: Final = Path(__file__).parent
_RESERVED: Final = ("all", "race", "token", "proxy", "default", "other")  # they mean something to commands and charts

Words = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(pattern=r"\A[a-z0-9]+(-[a-z0-9]+)*\Z")]
Colour = Annotated[str, Meta(pattern=r"\A#[0-9a-f]{6}\Z")]
Reference = Annotated[str, Meta(pattern=r"\A[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*\Z")]
"""`module:Class`."""
Model = Literal["push", "long poll", "short poll"]


class CatalogueError(ValueError):
    """A record is missing, or is not what a record must be. The message names the file and the field."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Look(_Part, frozen=True):
    """How charts and the page draw a transport: a colour for each theme, and matplotlib's marker."""

    light: Colour
    dark: Colour
    mark: Annotated[str, Meta(min_length=1, max_length=1)] = "."


class Server(_Part, frozen=True):
    """Who serves a transport. With `variant_of` it is another record's server, started with `--http2`."""

    implementation: Reference
    endpoint: Annotated[str, Meta(pattern=r"\A/")]  # the path of its stream, socket or poll
    http2: Literal["no", "optional", "required"] = "no"  # by Hypercorn over TLS: never, with `--http2`, always
    direct: bool = True  # it can write to the sockets of uvicorn itself
    variant_of: str = ""


class Load(_Part, frozen=True):
    """Who speaks it under load: a client of bytes, and a Locust user.

    `user` is the name of a class that is made from `client`; or `module:Class`, where a transport needs more than that.
    `stock_user` is a class of `load.users.stock`; `speaker` a client for the traits where `client` cannot
    publish on the connection that it receives on.
    """

    client: Reference
    user: Annotated[str, Meta(pattern=r"\A([A-Za-z_]\w*(\.\w+)*:)?[A-Z]\w*User\Z")]
    stock_user: str = ""
    speaker: Reference | None = None

    @property
    def user_name(self) -> str:
        """The name of the user's class, which Locust and the runs know it by."""
        return self.user.rpartition(":")[2]


class Lane(_Part, frozen=True):
    """One client of the page: its class in `transports/page/clients/`, and how the race shows it."""

    id: Name
    title: Words
    note: Words
    module: Annotated[str, Meta(pattern=r"\A[\w-]+\.js\Z")]
    client: Words
    options: dict[str, int] = {}  # what its constructor is given beside what all are given
    look: Look | None = None  # its transport's, unless it has one of its own


class Proof(_Part, frozen=True):
    """Who proves a transport. None of them imports the load client: a misreading would agree with itself."""

    contract: Reference | None = None  # client of the contract suite
    wire: Reference | None = None  # its side in the fault server; without one it is not calibrated
    lanes: tuple[Lane, ...] = ()


class Needs(_Part, frozen=True):
    """What a transport needs around its code, in a few words; `{heartbeat}` and `{wait}` stand for seconds."""

    api: Name  # of a browser, by its name in the support facts
    reconnect: Words
    proxy: Words
    source: Words


class Guide(_Part, frozen=True):
    """The guide's row: its claim of latency, and its words on browser support and complexity."""

    latency_ms: Annotated[float, Meta(ge=0)]
    browser_support: Words
    complexity: Words


class Record(_Part, frozen=True, kw_only=True):
    """One transport. The name is that of the record's file."""

    name: Name
    order: int  # its place in tables, charts and lists
    title: Words
    prose: str = ""  # inside a sentence, where that is not the title
    label: Words  # in Locust's tables and in logs
    model: Model  # of its latency over a link
    duplex: bool  # commands go up the connection that events come down
    resumes_by: Words  # how a client says where it was
    compared: bool = False  # measured by `rtlab compare` unless other transports are asked for
    look: Look
    server: Server
    load: Load
    needs: Needs
    proof: Proof = Proof()
    guide: Guide | None = None

    @property
    def pushes(self) -> bool:
        """Whether each message is a delivery of its own; a poll answers with batches."""
        return self.model == "push"

    @property
    def tls(self) -> bool:
        """Whether its server speaks TLS by default, as HTTP/2 does."""
        return self.server.http2 == "required" or bool(self.server.variant_of)


# Made while one thread imports: msgspec crashes where two threads make the decoder of one type at once.
_RECORD: Final = msgspec.json.Decoder(Record)


def read(folders: Iterable[Path]) -> dict[str, Record]:
    """Return the records of the folders by name, in their order. Raises CatalogueError."""
    found: dict[str, Record] = {}
    for path in (path for folder in folders for path in _files(folder)):
        record = _read(path)
        if record.name in found or record.name in _RESERVED:
            raise CatalogueError(f"{path}: the name {record.name!r} is taken")
        found[record.name] = record
    records = dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))
    for record in records.values():
        _check(record, records)
    return records


@cache
def records() -> Mapping[str, Record]:
    """Return the records of this package and of the folders in RTLAB_CATALOGUE, read once. Raises CatalogueError."""
    others = [Path(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return read([_FOLDER, *others])


def resolve(reference: str) -> Any:
    """Import what a record names as `module:Class`. Raises CatalogueError where there is no such thing."""
    module, _, name = reference.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise CatalogueError(f"{reference}: {error}") from error


def lanes() -> dict[str, tuple[Lane, Look]]:
    """Return the page's lanes by their ids, in the order of their transports, with what each is drawn in."""
    return {lane.id: (lane, lane.look or record.look) for record in records().values() for lane in record.proof.lanes}


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise CatalogueError(f"{VARIABLE}: {folder} is no folder")
    return sorted(folder.glob("*.toml"))


def _read(path: Path) -> Record:
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        return _RECORD.decode(msgspec.json.encode({**fields, "name": path.stem}))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(f"{path}: {error}") from error


def _check(record: Record, among: Mapping[str, Record]) -> None:
    """Raise CatalogueError where a record is in another's way, or is a variant of none."""
    variant_of = record.server.variant_of
    if variant_of and (variant_of not in among or among[variant_of].server.http2 != "optional"):
        raise CatalogueError(f"{record.name}: variant_of = {variant_of!r} names no transport with http2 = 'optional'")
    for other in among.values():
        ids = {lane.id for lane in other.proof.lanes} & {lane.id for lane in record.proof.lanes}
        if other is record:
            continue
        if other.label == record.label or other.load.user_name == record.load.user_name or ids:
            raise CatalogueError(f"{record.name} and {other.name} share a label, a Locust user or a lane")
