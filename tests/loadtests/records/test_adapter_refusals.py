"""What is wrong with an adapter's file is said in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.records.errors import AdapterError
from tests.loadtests.records.adapter_files import GOOD, LONGPOLL, POLL, STEPS, read


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (GOOD, 'name = "mine"', 'name = "a b"', r"name is a b; allowed: \[A-Za-z0-9_-\]"),
        (GOOD, 'protocol = "websocket"', 'protocol = "carrier-pigeon"', "allowed: websocket, sse, longpoll"),
        (GOOD, 'path = "/ws/{room}"', 'path = "ws"', "subscribe.path is ws; allowed: / and visible ASCII"),
        (GOOD, 'path = "/ws/{room}"', 'path = "/a b"', "subscribe.path is /a b"),
        (GOOD, 'path = "/pub"', 'path = "/p HTTP/1.1\\r\\nX: y"', "publish.path is /p HTTP/1.1"),
        (GOOD, "X-Api-Key", '"X Key"', "subscribe.headers is 'X Key'; allowed: header names"),
        (GOOD, '"{token}"', '"a\\r\\nB: c"', r"subscribe.headers.X-Api-Key is 'a\\r\\nB: c'; allowed: printable"),
        (GOOD, "{content}", "content", "publish.body is .*; allowed: a text that holds {content}"),
        (
            GOOD,
            'path = "/ws/{room}"',
            'pth = "/ws"',
            "subscribe. has the unknown field `pth`; allowed: path, method, headers",
        ),
        (GOOD, "about = ", "abuot = ", "the file has the unknown field `abuot`; allowed: name, about, protocol"),
        (GOOD, 'protocol = "websocket"', 'protocol = "sse"', "first_message is .*; allowed: only over websocket"),
        (GOOD, "first_message = ", "probe_path = ", "probe_path or resume_headers is .*; allowed: only over longpoll"),
        (LONGPOLL, 'probe_path = "/now"', "", "probe_path is left out; allowed: a path that is answered at once"),
        (LONGPOLL, '[publish]\npath = "/pub"', "", "publish.path is left out; allowed: only over websocket"),
        (LONGPOLL, "[subscribe]", "[subscribe", "is not TOML"),
        (
            GOOD,
            "/ws/{room}",
            "/ws/{rom}",
            r"subscribe.path's placeholder is {rom}; allowed: {random}, {room}, {seq}, {token}, {user}; {{rom}} where",
        ),
        (GOOD, '"{token}"', '"{tok}"', "subscribe.headers.X-Api-Key's placeholder is {tok}; allowed: {random}, {room}"),
        (GOOD, '{"join":"{room}"}', '{"join":"{Room}"}', "subscribe.first_message's placeholder is {Room}"),
        (GOOD, '"/pub"', '"/pub/{content}"', "publish.path's placeholder is {content}; allowed: {random}, {room}"),
        (GOOD, '"text":', '"{kind}":', "publish.body's placeholder is {kind}; allowed: {content}, {random}, {room}"),
        (LONGPOLL, '"/now"', '"/now/{channel}"', "subscribe.probe_path's placeholder is {channel}"),
        (
            LONGPOLL,
            'probe_path = "/now"',
            'probe_path = "/now"\nresume_headers = { If-None-Match = "{token}" }',
            "subscribe.resume_headers.If-None-Match's placeholder is {token}; allowed: no placeholder",
        ),
        (
            STEPS,
            "{sid} {seq}",
            "{cid} {seq}",
            "publish.body's placeholder is {cid}; allowed: {content}, {place}, {random}",
        ),
        (STEPS, "sid={sid}", "sid={place2}", "subscribe.path's placeholder is {place2}; allowed: {place}, {random}"),
        (
            STEPS,
            "join {room}",
            "join {roam}",
            r"subscribe.steps\[2\].send's placeholder is {roam}; allowed: {place}, {ra",
        ),
        (
            STEPS,
            '"{token}"',
            '"{sid}"',
            r"subscribe.steps\[1\].headers.X-Api-Key's placeholder is {sid}; allowed: {place}",
        ),
        (
            STEPS,
            '"POST /open"',
            '"POST open"',
            r'subscribe.steps\[1\].request is POST open; allowed: such as "POST /path"',
        ),
        (STEPS, '"POST /open"', '"GET /open"', r"subscribe.steps\[1\].body is {}; allowed: only with method"),
        (
            STEPS,
            "{ send = ",
            '{ request = "GET /", send = ',
            r"steps\[2\] is both request and send; allowed: one of them",
        ),
        (
            STEPS,
            'send = "join {room} {user} {random} {seq}", expect = "^joined"',
            "",
            r"steps\[2\] is empty; allowed: req",
        ),
        (
            STEPS,
            'send = "join {room} {user} {random} {seq}"',
            'body = "x"',
            r"steps\[2\].body or headers is x; allowed: on",
        ),
        (
            STEPS,
            '"^joined" },',
            '"^joined" }, { request = "GET /x" },',
            r"steps\[3\] is GET /x; allowed: requests before the",
        ),
        (STEPS, 'expect = "^joined"', 'expect = "("', r"steps\[2\].expect is '\('; allowed: a regular expression \("),
        (
            STEPS,
            '{ place = "at=([0-9]+)" }',
            '{ place = "at" }',
            "capture.place is 'at' with 0 groups; allowed: .* one g",
        ),
        (STEPS, "capture = { place", "capture = { room", "subscribe.capture is 'room'; allowed: names of letters"),
        (STEPS, '{ place = "0" }', '{ place = "0\\n" }', "subscribe.values.place is '0.n'; allowed: printable"),
        (
            STEPS,
            'expect = "^joined"',
            "capture = { a = '(.)' }",
            r"\[2\].capture is without expect; allowed: a message to ex",
        ),
        (STEPS, '"3 {place}"', '"3 {plaze}"', r"subscribe.answer.'\^2\$''s placeholder is {plaze}; allowed: {place}"),
        (
            STEPS,
            '"3 {place}"',
            '{ request = "POST /x" }',
            "subscribe.answer.* is a request; allowed: a text, which goes",
        ),
        (STEPS, "every_s = 20", "every_s = 0", "subscribe.heartbeat.every_s is 0; allowed: 0.1 to 3600 s"),
        (STEPS, "^ack ([0-9]+)", "^(a)(b)", "publish.ack is .* with 2 groups; allowed: .* no group or one group"),
        (
            STEPS,
            "[publish]",
            '[publish]\ntarget = "http://h:1"',
            "publish.target is given; allowed: only with a publish.p",
        ),
        *(
            (
                LONGPOLL,
                "[publish]",
                f'[publish]\ntarget = "{target}"',
                "publish.target is .*; allowed: http://HOST:PORT",
            )
            for target in ("h:1", "http://h:port", "http://h:99999", "http://[::1", "http://u@h:1", "http://h:1/?x=1")
        ),
        (
            STEPS,
            "values = ",
            'encoding = "rot13"\nvalues = ',
            "subscribe.encoding is rot13; allowed: base64, escaped, or",
        ),
        (
            STEPS,
            "values = ",
            'client = "Mine"\nvalues = ',
            "subscribe.client is Mine; allowed: file.py:Class or module",
        ),
        (STEPS, "values = ", "late_head = true\nvalues = ", "subscribe.late_head is True; allowed: only over sse"),
        (
            STEPS,
            "values = ",
            "resumes = true\nvalues = ",
            "subscribe.resumes is true; allowed: where the next subscript",
        ),
        (
            LONGPOLL,
            'path = "/lp"',
            'path = "/lp"\nresumes = true',
            "subscribe.resumes is true; .* by resume_headers, by",
        ),
        (
            STEPS.replace("values = ", "binary = true\nvalues = "),
            "join {room}",
            "€",
            "binary's message is '€ .*U\\+0000 to",
        ),
        (
            POLL,
            '{ request = "POST /pong", body = "3" }',
            '"3"',
            "answer.* is '3'; allowed: a request beside polls: { requ",
        ),
        (POLL, 'body = "3" }', 'body = "3", expect = "x" }', "answer.* is not a plain request; allowed: { request = "),
        (
            POLL,
            '{ request = "GET /", capture = ',
            '{ expect = "x", capture = ',
            "probe_path is left out; .* or none beside steps",
        ),
        (
            POLL,
            '"at=([0-9]+)" } }]',
            '"at=([0-9]+)" } }, { expect = "x" }]',
            r"steps\[2\] is without a request; allowed: only steps with a request over longpoll",
        ),
        (POLL, 'method = "POST"', 'method = "BREW"', "subscribe.method is BREW; allowed: GET, POST, PUT, PATCH, DEL"),
        (POLL, 'method = "POST"', "", "subscribe.body is at={place}; allowed: only with method = "),
        (POLL, "session = true", "", "publish.path's placeholder is {place}"),
        (
            POLL,
            "session = true",
            'session = true\ntarget = "h:1"',
            "publish.target is h:1; allowed: http://HOST:PORT or htt",
        ),
        (
            POLL,
            "session = true",
            'session = true\nmethod = "GET"',
            "publish.method is GET; allowed: POST, PUT, PATCH, DEL",
        ),
        (
            POLL,
            "session = true",
            'session = true\nack = "(x)"',
            "publish.ack is .* with 1 groups; allowed: .* no group",
        ),
        (
            POLL,
            "session = true",
            'session = true\nencoding = "escaped"',
            "publish.encoding is escaped; allowed: base64, or",
        ),
        (
            POLL,
            "session = true",
            'session = true\nsteps = [{ send = "x" }]',
            r"publish.steps\[1\] is without a request",
        ),
        (
            POLL,
            'steps = [{ request = "GET /", capture = { place = "at=([0-9]+)" } }]\nvalues = { place = "" }',
            'probe_path = "/now"',
            "subscribe.body's placeholder is {place}; allowed: {random}, {room}",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_value_and_what_is_allowed(
    text: str, old: str, new: str, said: str, tmp_path: Path
) -> None:
    assert old in text
    with pytest.raises(AdapterError, match=said):
        read(tmp_path, text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (STEPS, "join {room}", "€"),  # without `binary`
        (POLL, 'values = { place = "" }\n', ""),  # the step captures it
    ],
)
def test_what_is_wrong_elsewhere_is_right_here(text: str, old: str, new: str, tmp_path: Path) -> None:
    assert old in text
    read(tmp_path, text.replace(old, new, 1))
