"""How much code each transport takes: statements, branches and states, counted by rules that stand here.

*Lines* are logical: statements in Python without docstrings; in JavaScript ends of statements and heads of blocks.
*Branches* are places where the code can go two ways: `if`, the conditional expression, each loop, each further operand
of `and`/`or` (`&&`, `||`, `??`), each `case`, each handler of exceptions, each loop and filter of a comprehension.
*States* are what can change after the start and so makes the same input mean something else: attributes that a method
other than the constructor assigns, and variables that an inner function assigns (`nonlocal`); in JavaScript fields that
are assigned outside the constructor.

Only source is read, nothing is imported or run, so the same commit always gives the same numbers.

Here stands which code belongs to which transport, what it comes to, and what each transport needs around it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from core.catalogue import Record, records
from loadtests.evidence.complexity import javascript_source, python_source
from loadtests.evidence.complexity.python_source import Counts, Imports, UnreadableSourceError, source_path
from loadtests.records.facts import Need, Part

_DIRECT: Final = "transports.direct"  # the direct sink: faster, but the portable one serves without it
_HTTP2: Final = "transports.http2.server"
_PUBLISH: Final = "loadtests.load.clients.publish"  # where commands go by POST; the next for HTTP/2
_HTTP2_PUBLISH: Final = "loadtests.load.clients.http2"
_STOCK: Final = "loadtests.load.users.stock"
_IMPORTED: Final = re.compile(r'\bfrom\s+"\./([\w-]+\.js)"')


def parts(base: Path) -> tuple[list[Part], list[Part]]:
    """Each transport's own servers and clients: what its modules import beyond what all transports' do; and the rest,
    which is what they share, the direct sink, the clients on stock libraries and the page's.

    `base` is the repository. Raises UnreadableSourceError.
    """
    counted = [record for record in records().values() if record.server.implementation.startswith("transports.")]
    servers = {record.name: _servers(record) for record in counted}
    clients = {record.name: _clients(record) for record in counted}
    found = [*_separate(servers, "server", "transports", base), *_separate(clients, "client", "loadtests", base)]
    own = [part for part in found if part.transport and part.part in ("server", "client")]
    rest = [part for part in found if part not in own]
    return own, [*rest, *_stock_clients(counted, base), *_page_clients(counted, base)]


def _servers(record: Record) -> tuple[str, ...]:
    """The modules that serve a transport; what they import comes with them."""
    module = record.server.implementation.partition(":")[0]
    return (module, _HTTP2) if record.tls else (module,)


def _clients(record: Record) -> tuple[str, ...]:
    """The modules of the lab's client, which speaks the protocol from its bytes up."""
    module = record.load.client.partition(":")[0]
    return (module,) if record.duplex else (module, _HTTP2_PUBLISH if record.tls else _PUBLISH)


def _separate(roots: Mapping[str, Iterable[str]], part: str, package: str, base: Path) -> Iterator[Part]:
    imports = Imports(package, base)
    needed = {transport: imports.closure(modules) for transport, modules in roots.items()}
    shared = set.intersection(*needed.values())
    for transport, modules in ({"": shared} | {name: found - shared for name, found in needed.items()}).items():
        for module in sorted(modules):
            path = source_path(module, base)
            name = path.relative_to(base).as_posix()
            counts = python_source.count(path.read_text(encoding="utf-8"), name)
            kind = "direct sink" if module == _DIRECT or module.startswith(f"{_DIRECT}.") else part
            if counts.lines:
                yield _part(transport, kind, name, counts)


def _stock_clients(counted: Iterable[Record], base: Path) -> Iterator[Part]:
    """Classes on the library that everybody takes: what is left to write."""
    path = source_path(_STOCK, base)
    source, name = path.read_text(encoding="utf-8"), path.relative_to(base).as_posix()
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    for record in counted:
        if wanted := record.load.stock_user:
            code = ast.get_source_segment(source, classes[wanted]) or ""
            yield _part(record.name, "stock client", f"{name}:{wanted}", python_source.count(code, name))


def _page_clients(counted: Iterable[Record], base: Path) -> Iterator[Part]:
    """The page's clients; of a transport with several lanes the first one's."""
    folder = base / "transports" / "page" / "clients"
    needed = {record.name: _scripts(folder, record.proof.lanes[0].module) for record in counted if record.proof.lanes}
    shared = set.intersection(*needed.values())
    for transport, scripts in ({"": shared} | {name: found - shared for name, found in needed.items()}).items():
        for script in sorted(scripts):
            name = (folder / script).relative_to(base).as_posix()
            counts = javascript_source.count((folder / script).read_text(encoding="utf-8"), name)
            yield _part(transport, "page client", name, counts)


def _scripts(folder: Path, first: str) -> set[str]:
    found: set[str] = set()
    waiting = [first]
    while waiting:
        script = waiting.pop()
        if script not in found:
            found.add(script)
            waiting += _IMPORTED.findall((folder / script).read_text(encoding="utf-8"))
    return found


def _part(transport: str, part: str, file: str, counts: Counts) -> Part:
    return Part(transport, part, file, counts.lines, counts.branches, counts.states)


def need(record: Record, base: Path) -> Need:
    """Describe a transport. The seconds that a proxy must allow are read from the code below the folder `base`.

    Raises UnreadableSourceError where the code no longer says what is looked for.
    """
    seconds = {
        "heartbeat": _constant("core.settings", "heartbeat_s", base),
        "wait": _constant("transports.longpoll", "DEFAULT_WAIT_S", base),
    }
    upstream = "the same connection" if record.duplex else "a POST beside it"
    proxy = record.needs.proxy.format(**{name: f"{value:g}" for name, value in seconds.items()})
    return Need(record.name, record.needs.reconnect, record.resumes_by, upstream, proxy, record.needs.source)


def _constant(module: str, name: str, base: Path) -> float:
    """Return what a module assigns to a name, or to a dataclass's field as its default."""
    for node in ast.walk(ast.parse(source_path(module, base).read_text(encoding="utf-8"))):
        match node:
            case ast.AnnAssign(
                target=ast.Name(id=found),
                value=ast.Call(keywords=[ast.keyword(arg="default", value=value), *_]) | (ast.Constant() as value),
            ) if found == name:
                return float(ast.literal_eval(value))
    raise UnreadableSourceError(f"{module} sets no {name}")
