"""Which web pages may talk to the server."""

from __future__ import annotations

import ipaddress
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

    def check(self, origin: str | None, scheme: str, host: str | None) -> None:
        """Raise Forbidden unless a request with these headers may pass.

        `scheme` is `http` or `https`, as the request came in; `host` its Host header. No origin means no browser.
        """
        if origin is None:
            if self.required:
                raise Forbidden("an Origin header is required")
            return
        if self.allowed is not None:
            if origin not in self.allowed:
                raise Forbidden("this origin is not on the allow-list")
            return
        if host is None or origin.lower() != f"{scheme}://{host.lower()}" or not self._is_own(host):
            raise Forbidden("only pages of this server itself may connect: no allow-list of origins is set")

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if name is None:
            return False
        if name == "localhost" or (self.own_host is not None and name == self.own_host.lower()):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False
