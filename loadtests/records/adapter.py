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
    body = '{"text":"{content}"}'

`adapter_parts` defines all keys, and docs/adapters.md documents them; `placeholders` defines the placeholders, such as
`{room}`. No message format is described: the lab puts a stamp into the content of each message that it publishes, and
its clients search every frame, every event's data and every poll's body for stamps.

Where the server is, and how the lab starts it: `loadtests.records.own_server`. With `like = "nchan-sse"` a file is that
adapter of the lab, but for what it says itself.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from loadtests.records import adapter_check, adapter_parts, own_server, placeholders
from loadtests.records.adapter_parts import LONGPOLL, PROTOCOLS, SSE, WEBSOCKET, Heartbeat, Publish, Step, Subscribe
from loadtests.records.errors import AdapterError
from loadtests.records.own_server import TREE, Pids, ServerCommand, Version
from loadtests.records.toml_file import TomlFiles

__all__ = (
    "FILES",
    "LONGPOLL",
    "PROTOCOLS",
    "SSE",
    "WEBSOCKET",
    "Adapter",
    "Heartbeat",
    "Publish",
    "Step",
    "Subscribe",
    "check",
    "find",
)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


class Adapter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A foreign server over one protocol."""

    name: str
    about: str
    protocol: str  # one of PROTOCOLS
    subscribe: Subscribe
    publish: Publish = Publish()
    tls_verify: bool | str = True  # of https: False trusts any certificate; a text is the file of the CA to trust
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
        parts = {"subscribe": asked} if self.publisher_subscribes else {"subscribe": asked, "publish": self.publish}
        for name, part in parts.items():
            text = msgspec.json.encode(part).decode()
            if placeholders.filled(text, {"room": "a"}) == placeholders.filled(text, {"room": "b"}):
                return name
        return ""

    @property
    def publishes_over_socket(self) -> bool:
        """Whether messages go the way that events come."""
        return not self.publish.path

    @property
    def publisher_subscribes(self) -> bool:
        """Whether a publisher needs a subscription of its own."""
        return self.publishes_over_socket or self.publish.session


def check(adapter: Adapter) -> Adapter:
    """Return the adapter; AdapterError unless requests can be built from every value."""
    own_server.check(adapter.server, adapter.target, adapter.pids, adapter.version)
    adapter_check.need(_NAME.fullmatch(adapter.name), "name", adapter.name, "[A-Za-z0-9_-]{1,40}")
    adapter_check.check_subscribe(adapter.protocol, adapter.subscribe)
    adapter_check.check_publish(adapter.protocol, adapter.publish, adapter.subscribe)
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
    adapter_parts.require_known(raw, {"": Adapter, "subscribe": Subscribe, "publish": Publish, "server": ServerCommand})
    return own_server.in_folder(adapter_parts.in_folder(raw, path.parent), path.parent)


FILES = TomlFiles(_FOLDER, Adapter, "adapter", AdapterError, check, _completed)


def find(name_or_path: str) -> tuple[Adapter, ...]:
    """Return the adapter of that name or file, or all whose names begin with `<name>-`. Raises AdapterError."""
    known = FILES.named()
    family = [path for name, path in known.items() if name.startswith(f"{name_or_path}-")]
    if family and name_or_path not in known:
        return tuple(map(FILES.read, family))
    return (FILES.find(name_or_path),)
