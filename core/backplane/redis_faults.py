"""Why Redis does not serve: one of a few codes for everybody, and Redis's own words for the log, once an outage."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from typing import Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from core.backplane.base import Reason

_SIGNS: Final[tuple[tuple[Reason, re.Pattern[str]], ...]] = (
    ("cluster", re.compile(r"\b(MOVED|ASK|CLUSTERDOWN|CROSSSLOT|TRYAGAIN)\b|in cluster mode")),
    ("auth", re.compile(r"\b(NOAUTH|WRONGPASS|DENIED|AUTH)\b|[Aa]uthentication|invalid (password|username)")),
    ("acl", re.compile(r"\bNOPERM\b|no permissions to|executing the script can't|[Uu]nknown (Redis )?command")),
    ("readonly", re.compile(r"\b(READONLY|MASTERDOWN|MISCONF|NOREPLICAS)\b")),
    ("oom", re.compile(r"\bOOM\b")),
    ("unreachable", re.compile(r"\b(LOADING|BUSY)\b|max number of clients")),
)
_ODD_KEPT: Final = 100

_log = logging.getLogger("rtlab.redis")


class LinkLostError(Exception):
    """The connection ended before the answer came: the call may have been carried out or not."""


class RefusedError(Exception):
    """Redis answers and cannot be used, found out before anything was written."""

    def __init__(self, reason: Reason, words: str) -> None:
        super().__init__(words)
        self.reason: Reason = reason


LOST: Final = (LinkLostError, RefusedError, RedisError, OSError, TimeoutError)
"""What the end of a connection, or of the attempt to have one, looks like."""


def reason_of(error: BaseException) -> Reason | None:
    """The code of an error; None for one that says nothing about Redis as a whole, such as a key of another type."""
    if isinstance(error, RefusedError):
        return error.reason
    words = f"{getattr(error, 'status_code', None) or ''} {error}"
    for reason, signs in _SIGNS:
        if isinstance(error, RedisError) and signs.search(words):
            return reason
    return None if isinstance(error, RedisError) and not isinstance(error, RedisConnectionError) else "unreachable"


def cause(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error of a group that says most: Redis's words before the loss that follows them."""
    found = list(_leaves(errors))
    return min(found, key=lambda error: (isinstance(error, LinkLostError), not isinstance(error, RefusedError)))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


class Outage:
    """What keeps Redis from serving, by who noticed it. Each reason is logged once, until all is well again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._noticed: dict[str, Reason] = {}
        self._said: set[Reason] = set()
        self._odd: set[str] = set()
        self._began_s = 0.0

    @property
    def reason(self) -> Reason | None:
        """Why Redis does not serve; None when it does, as far as anybody knows."""
        return next(iter(self._noticed.values()), None)

    def noticed_by(self, witness: str) -> bool:
        """Whether a witness is not served."""
        return witness in self._noticed

    def began(self, witness: str, reason: Reason, words: str) -> None:
        """Note what a witness was refused, or cannot reach."""
        if not self._noticed:
            self._began_s = time.monotonic()
        self._noticed[witness] = reason
        level = logging.DEBUG if reason in self._said else logging.WARNING
        self._said.add(reason)
        _log.log(level, "Redis at %s is of no use (%s): %s; trying again until it is", self._name, reason, words)

    def ended(self, witness: str) -> None:
        """Note that a witness is served again."""
        if self._noticed.pop(witness, None) is not None and not self._noticed:
            self._said.clear()
            _log.info("Redis at %s serves again after %.1f s", self._name, time.monotonic() - self._began_s)

    def odd(self, words: str) -> None:
        """Log an error that concerns one call only; the same words once."""
        if words not in self._odd and len(self._odd) < _ODD_KEPT:
            self._odd.add(words)
            _log.warning("Redis at %s did not do what was asked: %s", self._name, words)
