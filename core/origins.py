"""Which web pages may talk to the server."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.errors import Forbidden


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    """The allow-list. Without one (`allowed` is None) only the server's own pages may: the origin must be the address
    that the request itself was sent to, and that address a loopback one or `own_host`, the configured host. The
    second half stops DNS rebinding, where a foreign name points at this machine and sends itself as Host.
    """

    allowed: frozenset[str] | None
    own_host: str | None = None
    required: bool = False

    def check(self, origin: str | None, scheme: str, host: str | None, own: Sequence[str] = ()) -> None:
        """Raise Forbidden unless a request with these headers may pass.

        `scheme` is `http` or `https`, as the request came in; `host` its Host header. No origin means no browser.
        `own` are other names and addresses of the server.
        """
        if origin is None:
            if self.required:
                raise Forbidden("an Origin header is required")
            return
        if self.allowed is not None:
            if origin not in self.allowed:
                raise Forbidden("this origin is not on the allow-list")
            return
        if host is None or origin.lower() != f"{scheme}://{host.lower()}" or not self._is_own(host, own):
            raise Forbidden("only pages of this server itself may connect: no allow-list of origins is set")

    def _is_own(self, host: str, own: Sequence[str]) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname or "", parts.port
        except ValueError:  # brackets that hold no address, a port that is no number
            return False
        spelled = f"[{name}]" if ":" in name else name
        if not name or host.lower() not in (spelled, f"{spelled}:{port}"):
            return False  # something stands around the name
        address = _address(name)
        names = [*own, self.own_host] if self.own_host is not None else own
        if address is not None:
            return address.is_loopback or any(_address(each) == address for each in names)
        return name == "localhost" or any(name == each.lower() for each in names)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_origin(text: str) -> bool:
    """Whether a browser can send this as its `Origin`: lower case, no default port, nothing after the authority."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # brackets that hold no address, a port that is no number
        return False
    return (
        parts.hostname is not None
        and port != {"http": 80, "https": 443}.get(parts.scheme, port)
        and "@" not in parts.netloc
        and text == f"{parts.scheme}://{parts.netloc}".lower()
    )
