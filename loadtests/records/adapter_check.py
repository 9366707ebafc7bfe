"""Whether requests and messages can be built from an adapter's values. What can't is refused with what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from urllib.parse import urlsplit

from loadtests.records import placeholders
from loadtests.records.adapter_parts import (
    BASE64,
    ESCAPED,
    LONGPOLL,
    PLAIN,
    PROTOCOLS,
    REQUEST,
    SSE,
    WEBSOCKET,
    Publish,
    Step,
    Subscribe,
)
from loadtests.records.errors import AdapterError
from loadtests.records.placeholders import CONTENT, EVERYWHERE

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_PATH = re.compile(r"/[!-~]*")
_CLIENT = re.compile(r"[^:]+:[A-Za-z_]\w*")
_VISIBLE = "/ and visible ASCII characters"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_LEFT_OUT = "left out"


def need(condition: object, field: str, value: str, allowed: str) -> None:
    """Raise AdapterError unless the condition holds."""
    if not condition:
        raise AdapterError(f"{field} is {value}; allowed: {allowed}")


def check_subscribe(protocol: str, subscribe: Subscribe) -> None:
    """Raise AdapterError unless one can listen by it."""
    need(_PATH.fullmatch(subscribe.path), "subscribe.path", subscribe.path, _VISIBLE)
    _only(protocol, subscribe)
    _common("subscribe", subscribe.encoding, subscribe.client)
    for name, value in subscribe.values.items():
        _capture_name("subscribe.values", name)
        need(value.isprintable(), f"subscribe.values.{name}", repr(value), "printable characters")
    _captures("subscribe.capture", subscribe.capture)
    known = _steps("subscribe.steps", subscribe.steps, EVERYWHERE | set(subscribe.values), protocol)
    _placeholders("subscribe.first_message", subscribe.first_message, _before(subscribe))
    _method("subscribe", subscribe.method, subscribe.body)
    opening = _before(subscribe)
    _headers("subscribe.headers", subscribe.headers, opening)
    for field in ("path", "body", "probe_path"):
        _placeholders(f"subscribe.{field}", getattr(subscribe, field), opening)
    known |= set(subscribe.capture)
    for pattern, said in subscribe.answer.items():
        _answer(protocol, pattern, said, known)
    if subscribe.heartbeat is not None:
        beat = subscribe.heartbeat
        need(0.1 <= beat.every_s <= 3600, "subscribe.heartbeat.every_s", f"{beat.every_s:g}", "0.1 to 3600 s")
        _placeholders("subscribe.heartbeat.send", beat.send, known)
    if subscribe.binary:
        for text in (subscribe.first_message, *(step.send for step in subscribe.steps)):
            need(text.isascii() or max(text) <= "\xff", "subscribe.binary's message", repr(text), "U+0000 to U+00FF")


def check_publish(protocol: str, publish: Publish, subscribe: Subscribe) -> None:
    """Raise AdapterError unless one can publish by it."""
    need("{content}" in publish.body, "publish.body", publish.body, "a text that holds {content}")
    _common("publish", publish.encoding, publish.client)
    _pattern("publish.ack", publish.ack, groups=(0, 1) if not publish.path else (0,))
    shared = subscribe.captured if publish.session or not publish.path else frozenset()
    known: Set[str] = EVERYWHERE | shared | (set(subscribe.values) - subscribe.captured)
    if publish.path:
        need(_PATH.fullmatch(publish.path), "publish.path", publish.path, _VISIBLE)
        need(publish.method in _METHODS[1:], "publish.method", publish.method, ", ".join(_METHODS[1:]))
        known = _steps("publish.steps", publish.steps, known, SSE)
    else:
        need(protocol == WEBSOCKET, "publish.path", _LEFT_OUT, f"only over {WEBSOCKET}")
        for field in ("steps", "target", "client", "in_turn"):
            need(
                not getattr(publish, field),
                f"publish.{field}",
                "given",
                "only with a publish.path: without it the WebSocket is used",
            )
    if publish.target:
        allowed = "http://HOST:PORT or https://HOST:PORT, without a path"
        need(_is_base(publish.target), "publish.target", publish.target, allowed)
    _headers("publish.headers", publish.headers, known)
    _placeholders("publish.path", publish.path, known)
    _placeholders("publish.body", publish.body, known | CONTENT)


def _is_base(url: str) -> bool:
    """Whether the load's clients can read it as a server's address."""
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        return False
    beside = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0 and not beside


_ONLY: Mapping[str, tuple[str, ...]] = {
    "first_message": (WEBSOCKET,),
    "heartbeat": (WEBSOCKET,),
    "binary": (WEBSOCKET,),
    "answer": (WEBSOCKET, LONGPOLL),
    "body": (SSE, LONGPOLL),
    "late_head": (SSE,),
}


def _only(protocol: str, subscribe: Subscribe) -> None:
    """Refuse what the protocol has no use for."""
    need(protocol in PROTOCOLS, "protocol", protocol, ", ".join(PROTOCOLS))
    for field, protocols in _ONLY.items():
        value = getattr(subscribe, field)
        need(not value or protocol in protocols, f"subscribe.{field}", str(value), f"only over {', '.join(protocols)}")
    if protocol == LONGPOLL:
        probe = subscribe.probe_path
        proven = _PATH.fullmatch(probe) or (not probe and any(step.request for step in subscribe.steps))
        allowed = "a path that is answered at once, or none beside steps that are requests"
        need(proven, "subscribe.probe_path", probe or _LEFT_OUT, allowed)
        for name, source in subscribe.resume_headers.items():
            need(_HEADER.fullmatch(name), "subscribe.resume_headers", repr(name), "header names")
            field = f"subscribe.resume_headers.{name}"
            _placeholders(field, source, frozenset())
            need(_HEADER.fullmatch(source), field, repr(source), "header names")
    else:
        asked = subscribe.probe_path or ", ".join(subscribe.resume_headers)
        need(not asked, "subscribe.probe_path or resume_headers", asked, f"only over {LONGPOLL}")
    if subscribe.resumes:
        allowed = "where the next subscription says where the last one was: over sse, by resume_headers, by a name"
        said = f"{allowed} of subscribe.capture in it, or by subscribe.client"
        need(_says_where(protocol, subscribe), "subscribe.resumes", "true", said)


def _says_where(protocol: str, subscribe: Subscribe) -> bool:
    """Whether anything that was learned along the way goes with the next subscription; a client of one's own may."""
    steps = (text for step in subscribe.script for text in step.texts.values())
    sent = "".join((subscribe.path, subscribe.body, *subscribe.headers.values(), *steps))
    captured = any(f"{{{name}}}" in sent for name in subscribe.capture)
    return protocol == SSE or bool(subscribe.resume_headers or subscribe.client) or captured


def _common(part: str, encoding: str, client: str) -> None:
    allowed = ", ".join((BASE64, ESCAPED) if part == "subscribe" else (BASE64,))
    encodings = (PLAIN, BASE64, ESCAPED) if part == "subscribe" else (PLAIN, BASE64)
    need(encoding in encodings, f"{part}.encoding", encoding, f"{allowed}, or left out")
    need(not client or _CLIENT.fullmatch(client), f"{part}.client", client, "file.py:Class or module:Class")


def _method(part: str, method: str, body: str) -> None:
    need(method in _METHODS, f"{part}.method", method, ", ".join(_METHODS))
    need(not body or method != "GET", f"{part}.body", body, 'only with method = "POST", "PUT", "PATCH" or "DELETE"')


def _before(subscribe: Subscribe) -> frozenset[str]:
    """Return the names that are known when the connection opens that events come over."""
    requests = [step for step in subscribe.steps if step.request]
    return EVERYWHERE.union(subscribe.values, *(step.capture for step in requests))


def _steps(field: str, steps: tuple[Step, ...], known: Set[str], protocol: str) -> Set[str]:
    """Check the steps in their order; return the names that are known after them."""
    spoken = False
    publishing = field.startswith("publish")
    for number, step in enumerate(steps, 1):
        here = f"{field}[{number}]"
        if publishing or protocol == LONGPOLL:
            need(step.request, here, "without a request", f"only steps with a request {_where(publishing)}")
        need(not (step.request and step.send), here, "both request and send", "one of them in a step")
        need(step.request or step.send or step.expect, here, "empty", "request, send, expect or capture")
        need(not step.send or protocol == WEBSOCKET, f"{here}.send", repr(step.send), f"only over {WEBSOCKET}")
        need(not (step.request and spoken), here, step.request, "requests before the first send or expect")
        spoken = spoken or not step.request
        known = _step(here, step, known)
    return known


def _where(publishing: bool) -> str:
    return "before a publication" if publishing else f"over {LONGPOLL}"


def _step(here: str, step: Step, known: Set[str]) -> Set[str]:
    if step.request:
        need(REQUEST.fullmatch(step.request), f"{here}.request", step.request, 'such as "POST /path"')
        _method(here, step.request.partition(" ")[0], step.body)
    else:
        stray = step.body or ", ".join(step.headers)
        need(not stray, f"{here}.body or headers", stray, "only with a request")
        need(not step.capture or step.expect, f"{here}.capture", "without expect", "a message to expect beside it")
    _headers(f"{here}.headers", step.headers, known)
    for key, text in step.texts.items():
        _placeholders(f"{here}.{key}", text, known)
    _pattern(f"{here}.expect", step.expect)
    _captures(f"{here}.capture", step.capture)
    return known | set(step.capture)


def _answer(protocol: str, pattern: str, said: str | Step, known: Set[str]) -> None:
    field = f"subscribe.answer.{pattern!r}"
    _pattern("subscribe.answer", pattern)
    if isinstance(said, str):
        need(
            protocol == WEBSOCKET,
            field,
            repr(said),
            'a request beside polls: { request = "POST /path", body = "…" }',
        )
        _placeholders(field, said, known)
        return
    need(protocol == LONGPOLL, field, "a request", "a text, which goes over the WebSocket")
    plain = said.request and not (said.send or said.expect or said.capture)
    need(plain, field, "not a plain request", '{ request = "POST /path", headers = {…}, body = "…" }')
    _step(field, said, known)


def _captures(field: str, captures: Mapping[str, str]) -> None:
    for name, pattern in captures.items():
        _capture_name(field, name)
        _pattern(f"{field}.{name}", pattern, groups=(1,))


def _capture_name(field: str, name: str) -> None:
    taken = ", ".join(sorted(EVERYWHERE | CONTENT))
    good = placeholders.NAME.fullmatch(name) and name not in EVERYWHERE | CONTENT
    need(good, field, repr(name), f"names of letters, digits and _, other than {taken}")


def _pattern(field: str, pattern: str, groups: tuple[int, ...] = ()) -> None:
    """Refuse what is no regular expression; `groups`: how many groups it may have, empty for any number."""
    try:
        found = re.compile(pattern.encode()).groups
    except (re.error, UnicodeEncodeError) as reason:
        raise AdapterError(f"{field} is {pattern!r}; allowed: a regular expression ({reason})") from None
    allowed = " or ".join({0: "no group", 1: "one group"}[count] for count in groups)
    need(
        not groups or found in groups, field, f"{pattern!r} with {found} groups", f"a regular expression with {allowed}"
    )


def _headers(field: str, headers: Mapping[str, str], known: Set[str]) -> None:
    for name, value in headers.items():
        need(_HEADER.fullmatch(name), field, repr(name), "header names")
        need(value.isascii() and value.isprintable(), f"{field}.{name}", repr(value), "printable ASCII")
        _placeholders(f"{field}.{name}", value, known)


def _placeholders(field: str, template: str, known: Set[str]) -> None:
    """Refuse a placeholder that nothing is filled in for: the server would get it as it stands, or empty."""
    found = placeholders.unknown(template, known)
    allowed = ", ".join(f"{{{name}}}" for name in sorted(known)) or "no placeholder"
    need(not found, f"{field}'s placeholder", found, f"{allowed}; {{{found}}} where the server is to get {found}")
