"""The debugging connection, against a server that plays the browser, and what each browser's protocol sends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from loadtests.evidence.browser.engines import Chromium, Firefox, Remote
from loadtests.evidence.browser.page import Clock, probe
from loadtests.records.errors import BrowserError

Play = Callable[[ServerConnection, dict[str, Any]], None]


@contextmanager
def played(play: Play) -> Iterator[Remote]:
    """A remote whose browser answers each command by `play`."""

    def converse(socket: ServerConnection) -> None:
        for text in socket:
            play(socket, json.loads(text))

    with serve(converse, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with connect(f"ws://127.0.0.1:{server.socket.getsockname()[1]}", proxy=None) as socket:
                yield Remote(socket)
        finally:
            server.shutdown()
            thread.join(10)


def answering(results: dict[str, Any], received: list[dict[str, Any]]) -> Play:
    """Answer by method; an event comes before every answer, as browsers do."""

    def play(socket: ServerConnection, command: dict[str, Any]) -> None:
        received.append(command)
        socket.send(json.dumps({"method": "log.entryAdded", "params": {}}))
        socket.send(json.dumps({"id": command["id"], "result": results[command["method"]]}))

    return play


def test_an_answer_is_found_among_events() -> None:
    received: list[dict[str, Any]] = []
    with played(answering({"a": {"x": 1}}, received)) as remote:
        assert remote.call("a", {"y": 2}, sessionId="s") == {"x": 1}
        assert remote.call("a", {}) == {"x": 1}
    assert received[0] == {"id": 1, "method": "a", "params": {"y": 2}, "sessionId": "s"}
    assert received[1]["id"] == 2


def test_a_refusal_is_reported_with_the_browsers_words() -> None:
    def refuse(socket: ServerConnection, command: dict[str, Any]) -> None:
        socket.send(json.dumps({"id": command["id"], "error": "no such frame", "message": "no tab 7"}))

    with played(refuse) as remote, pytest.raises(BrowserError, match=r"refused tab\.show: no tab 7"):
        remote.call("tab.show", {})


def test_a_browser_that_says_nothing_is_given_up() -> None:
    with (
        played(lambda socket, command: None) as remote,
        pytest.raises(BrowserError, match=r"did not answer a within 0\.2 s"),
    ):
        remote.call("a", {}, timeout_s=0.2)


def test_a_browser_that_ends_is_reported_as_that() -> None:
    with played(lambda socket, command: socket.close()) as remote, pytest.raises(BrowserError, match="ended during a"):
        remote.call("a", {})


FIREFOX = {
    "session.new": {},
    "browsingContext.create": {"context": "tab-1"},
    "browsingContext.navigate": {},
    "browsingContext.activate": {},
    "browsingContext.close": {},
    "script.evaluate": {
        "type": "success",
        "result": {"type": "string", "value": '{"resolutionUs":20,"isolated":true}'},
    },
}


def test_firefox_is_spoken_to_in_bidi() -> None:
    received: list[dict[str, Any]] = []
    with played(answering(FIREFOX, received)) as remote:
        firefox = Firefox(remote)
        tab = firefox.open("http://host/")
        assert probe(firefox, tab, "clock", {}, Clock) == Clock(20, True)
        firefox.show(tab)
        assert firefox.heap_bytes(tab) is None
        firefox.close(tab)
    assert [command["method"] for command in received] == [
        "session.new",
        "browsingContext.create",
        "browsingContext.navigate",
        "script.evaluate",
        "browsingContext.activate",
        "browsingContext.close",
    ]
    assert received[3]["params"]["target"] == {"context": "tab-1"}
    assert received[3]["params"]["expression"].endswith(".clock({}).then(JSON.stringify)")


def test_a_page_that_throws_is_reported_by_its_own_error() -> None:
    thrown = {"type": "exception", "exceptionDetails": {"text": "Error: sse did not open"}}
    with played(answering({**FIREFOX, "script.evaluate": thrown}, [])) as remote:
        firefox = Firefox(remote)
        with pytest.raises(BrowserError, match="the page failed: Error: sse did not open"):
            firefox.evaluate("tab-1", "x", 5)
    raised = {"exceptionDetails": {"text": "Uncaught", "exception": {"description": "Error: no"}}}
    results = {
        "Target.createTarget": {"targetId": "t"},
        "Target.attachToTarget": {"sessionId": "s"},
        "Runtime.evaluate": {"result": {"value": "true"}},
    }
    with played(answering(results, [])) as remote:
        chromium = Chromium(remote)
        tab = chromium.open("http://host/")
        results["Runtime.evaluate"] = raised
        with pytest.raises(BrowserError, match="the page failed: Error: no"):
            chromium.evaluate(tab, "x", 5)


def test_a_probe_that_answers_something_else_is_reported() -> None:
    odd = {"type": "success", "result": {"type": "string", "value": '{"resolutionUs":"fine"}'}}
    with (
        played(answering({**FIREFOX, "script.evaluate": odd}, [])) as remote,
        pytest.raises(BrowserError, match="the probe clock answered what it should not"),
    ):
        probe(Firefox(remote), "tab-1", "clock", {}, Clock)
