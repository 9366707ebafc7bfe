"""An adapter says how to subscribe and publish on a foreign server. Values and reading only. The file's shape:

    name = "mine"
    about = "a WebSocket server that wants a token first"
    protocol = "websocket"                  # or "sse", "longpoll"

    [subscribe]
    path = "/ws/{room}"
    headers = { X-Api-Key = "{token}" }
    first_message = '{"join":"{room}"}'     # websocket: said once the handshake is over

    [publish]
    path = "/publish/{room}"                # left out: over the WebSocket on which the publisher listens
    headers = { Content-Type = "application/json" }
    body = '{"text":"{content}"}'

`{room}` and `{token}` are filled in wherever requests and messages are described, `{content}` in `publish.body`; any
other `{word}` is refused, and `{{word}}` sends `{word}`. A message is found by the stamp that the lab put into its
content, wherever it stands in a frame, an event's data or a poll's body: no parsing is described, and none is needed.

Where the server is, and how the lab starts it: `loadtests.records.own_server`. With `like = "nchan-sse"` a file is that
adapter of the lab, but for what it says itself.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from loadtests.records import own_server
from loadtests.records.errors import AdapterError
from loadtests.records.own_server import TREE, Pids, ServerCommand, Version
from loadtests.records.toml_file import TomlFiles

WEBSOCKET, SSE, LONGPOLL = "websocket", "sse", "longpoll"
PROTOCOLS = (WEBSOCKET, SSE, LONGPOLL)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_PATH = re.compile(r"/[!-~]*")
_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{(room|token|content)\}")  # {{word}}: no placeholder, but {word}
_PLACEHOLDER_LIKE = re.compile(r"\{\{[A-Za-z_]\w*\}\}|\{([A-Za-z_]\w*)\}")
_RESUME = "subscribe.resume_headers"
_WHO = frozenset({"room", "token"})


class Subscribe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one listens."""

    path: str
    headers: dict[str, str] = {}
    first_message: str = ""
    probe_path: str = ""  # long polls: asked first, since a poll is not answered before there is news
    resume_headers: dict[str, str] = {}  # long polls: header of the next request -> header of the last answer


class Publish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one publishes: by POST, any 2xx is an acknowledgement; without a path over one's own WebSocket."""

    path: str = ""
    headers: dict[str, str] = {}
    body: str = "{content}"


class Adapter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A foreign server over one protocol."""

    name: str
    about: str
    protocol: str  # one of PROTOCOLS
    subscribe: Subscribe
    publish: Publish = Publish()
    target: str = ""  # the server's base URL; empty: the command line says it, or `server` makes one
    version: Version = ""
    pids: Pids = TREE
    server: ServerCommand | None = None  # None: it runs already

    @property
    def spoken(self) -> Adapter:
        """The adapter as the generator gets it: how to speak, without the server's command and variables."""
        return msgspec.structs.replace(self, server=None, version="", target="")

    @property
    def wants_token(self) -> bool:
        """Whether `{token}` stands anywhere."""
        return "{token}" in msgspec.json.encode(self.spoken).decode()

    @property
    def names_no_room(self) -> str:
        """Return the part, `subscribe` or `publish`, that sends the same for every room; empty where there is none."""
        asked = msgspec.structs.replace(self.subscribe, probe_path="")
        parts = {"subscribe": asked} if self.publishes_over_socket else {"subscribe": asked, "publish": self.publish}
        for name, part in parts.items():
            text = msgspec.json.encode(part).decode()
            if filled(text, room="a", token="") == filled(text, room="b", token=""):
                return name
        return ""

    @property
    def publishes_over_socket(self) -> bool:
        """Whether messages go the way that events come."""
        return not self.publish.path


def filled(template: str, *, room: str, token: str, content: str = "") -> str:
    """Return the template with its placeholders replaced, in one pass: what is filled in is never read again."""
    values = {"room": room, "token": token, "content": content}
    return _PLACEHOLDER.sub(lambda found: f"{{{found[1]}}}" if found[1] else values[found[2]], template)


def check(adapter: Adapter) -> Adapter:
    """Return the adapter; AdapterError unless requests can be built from every value."""
    subscribe, publish = adapter.subscribe, adapter.publish
    own_server.check(adapter.server, adapter.target, adapter.pids, adapter.version)
    _need(_NAME.fullmatch(adapter.name), "name", adapter.name, "[A-Za-z0-9_-]{1,40}")
    _need(adapter.protocol in PROTOCOLS, "protocol", adapter.protocol, ", ".join(PROTOCOLS))
    _need(_PATH.fullmatch(subscribe.path), "subscribe.path", subscribe.path, "/ and visible ASCII characters")
    _headers("subscribe.headers", subscribe.headers)
    _headers("publish.headers", publish.headers)
    _need("{content}" in publish.body, "publish.body", publish.body, "a text that holds {content}")
    if publish.path:
        _need(_PATH.fullmatch(publish.path), "publish.path", publish.path, "/ and visible ASCII characters")
    else:
        _need(adapter.protocol == WEBSOCKET, "publish.path", "left out", f"only over {WEBSOCKET}")
    first = subscribe.first_message
    _need(not first or adapter.protocol == WEBSOCKET, "subscribe.first_message", first, f"only over {WEBSOCKET}")
    if adapter.protocol == LONGPOLL:
        probe = subscribe.probe_path
        _need(_PATH.fullmatch(probe), "subscribe.probe_path", probe or "left out", "a path that is answered at once")
        _headers(_RESUME, subscribe.resume_headers)
    else:
        asked = subscribe.probe_path or ", ".join(subscribe.resume_headers)
        _need(not asked, "subscribe.probe_path or resume_headers", asked, f"only over {LONGPOLL}")
    for field, template in (("subscribe.path", subscribe.path), ("subscribe.probe_path", subscribe.probe_path)):
        _placeholders(field, template, _WHO)
    _placeholders("subscribe.first_message", first, _WHO)
    _placeholders("publish.path", publish.path, _WHO)
    _placeholders("publish.body", publish.body, _WHO | {"content"})
    return adapter


_FOLDER = Path(__file__).with_name("adapters")


def _completed(raw: dict[str, object], path: Path) -> dict[str, object]:
    """Return what a file says, on top of the adapter of the lab that it is `like`; AdapterError for another name."""
    if (like := raw.get("like")) is not None:
        known = {each.stem: each for each in _FOLDER.glob("*.toml")}
        if like not in known:
            raise AdapterError(f"like is {like!r}; allowed: {', '.join(sorted(known))}")
        own = {key: value for key, value in raw.items() if key != "like"}
        raw = tomllib.loads(known[str(like)].read_text(encoding="utf-8")) | own
    return own_server.in_folder(raw, path.parent)


FILES = TomlFiles(_FOLDER, Adapter, "adapter", AdapterError, check, _completed)


def find(name_or_path: str) -> tuple[Adapter, ...]:
    """Return the adapter of that name or file, or all whose names begin with `<name>-`. Raises AdapterError."""
    known = FILES.named()
    family = [path for name, path in known.items() if name.startswith(f"{name_or_path}-")]
    if family and name_or_path not in known:
        return tuple(map(FILES.read, family))
    return (FILES.find(name_or_path),)


def _headers(field: str, headers: dict[str, str]) -> None:
    for name, value in headers.items():
        _need(_HEADER.fullmatch(name), field, repr(name), "header names")
        _need(value.isascii() and value.isprintable(), f"{field}.{name}", repr(value), "printable ASCII")
        _placeholders(f"{field}.{name}", value, _WHO if field != _RESUME else frozenset())


def _placeholders(field: str, template: str, known: frozenset[str]) -> None:
    """Refuse a placeholder that nothing is filled in for: the server would get it as it stands, or empty."""
    for found in _PLACEHOLDER_LIKE.finditer(template):
        allowed = ", ".join(f"{{{name}}}" for name in sorted(known)) or "no placeholder"
        _need(
            found[1] is None or found[1] in known,
            f"{field}'s placeholder",
            found[0],
            f"{allowed}; {{{found[0]}}} where the server is to get {found[0]}",
        )


def _need(condition: object, field: str, value: str, allowed: str) -> None:
    if not condition:
        raise AdapterError(f"{field} is {value}; allowed: {allowed}")
