"""What is asked of the published data: the APIs behind each transport, and what the data do not say of HTTP/2 push."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.records.facts import Removal


@dataclass(frozen=True, slots=True)
class Question:
    """One API: its path in MDN's data (empty if MDN has none) and its feature at caniuse."""

    name: str
    title: str
    mdn: str
    caniuse: str
    removals: tuple[Removal, ...] = ()


# Neither package has an entry for HTTP/2 push. What the makers of two engines announced stands here with its source;
# of WebKit nothing was found, so its share is counted as unknown.
PUSH_REMOVALS = (
    Removal("Blink", 106, "2022-08-18", "https://developer.chrome.com/blog/removing-push"),
    Removal("Gecko", 132, "2024-10-29", "https://developer.mozilla.org/en-US/docs/Mozilla/Firefox/Releases/132"),
)

QUESTIONS = (
    Question("websocket", "WebSocket", "api.WebSocket", "websockets"),
    Question("eventsource", "EventSource", "api.EventSource", "eventsource"),
    Question("fetch-stream", "fetch, body read as a stream", "api.Response.body", "streams"),
    Question("xhr", "XMLHttpRequest", "api.XMLHttpRequest", "xhr2"),
    Question("fetch", "fetch", "api.fetch", "fetch"),
    Question("http2", "HTTP/2", "", "http2"),
    Question("h2push", "HTTP/2 push", "", "http2", PUSH_REMOVALS),
    Question("webtransport", "WebTransport", "api.WebTransport", "webtransport"),
)

MDN_NAMES = {
    "ie": "ie",
    "edge": "edge",
    "firefox": "firefox",
    "chrome": "chrome",
    "safari": "safari",
    "opera": "opera",
    "ios_saf": "safari_ios",
    "and_chr": "chrome_android",
    "and_ff": "firefox_android",
    "android": "webview_android",
    "samsung": "samsunginternet_android",
    "op_mob": "opera_android",
}
"""caniuse's name of a browser -> MDN's; of the others MDN has no data."""
