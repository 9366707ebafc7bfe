import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { FetchStreamClient } from "../../../transports/page/clients/fetchstream.js";
import { EventStreamParser, SseFetchClient } from "../../../transports/page/clients/sse-fetch.js";
import { LongPollClient, ShortPollClient } from "../../../transports/page/clients/polls.js";
import { SseClient } from "../../../transports/page/clients/sse.js";
import { FakeEventSource, at, chat, fakeFetch, feed, json, turn, watch, welcome } from "./fakes.mjs";

let network;
let client;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  mock.method(Math, "random", () => 0);
  network = fakeFetch();
  mock.method(globalThis, "fetch", network.fetch);
  FakeEventSource.all = [];
  globalThis.EventSource = FakeEventSource;
});

afterEach(async () => {
  client?.close();
  await turn();
  mock.timers.reset();
  mock.restoreAll();
});

const make = (Client, more = {}) => {
  client = new Client({ room: "r", token: () => "jwt", base: "http://host", ...more });
  return watch(client);
};

const answer = (offsets, position) =>
  json({ events: offsets.map((offset) => chat(offset)), position: at(position), recovered: true });

const connected = async (since) => {
  client.connect(since);
  await turn(6);
};

test("the parser gives the same events however the bytes are cut", () => {
  const text = `retry: 1000\nid: 1\ndata: {"a":1}\n\n:\n\ndata: two\r\ndata:lines\r\n\r\ndata: three\r\rdata: open`;
  const expected = ['{"a":1}', "two\nlines", "three"];
  for (let size = 1; size <= text.length; size++) {
    const parser = new EventStreamParser();
    const events = [];
    for (let i = 0; i < text.length; i += size) events.push(...parser.push(text.slice(i, i + size)));
    assert.deepEqual(events, expected, `chunks of ${size}`);
    assert.equal(parser.retryMs, 1000);
  }
});

test("sse-fetch reads events, also where a character is cut in two", async () => {
  const seen = make(SseFetchClient);
  const stream = feed();
  network.answers.push(stream);
  client.onevent = ({ content }) => seen.events.push(content);
  await connected();
  stream.push(`data: ${JSON.stringify(welcome(0))}\n\n`);
  const bytes = new TextEncoder().encode(`data: ${JSON.stringify(chat(1, "grüße 🐘"))}\n\n`);
  for (const byte of bytes) stream.push(Uint8Array.of(byte));
  await turn(bytes.length * 2);
  assert.deepEqual(seen.events, ["grüße 🐘"]);
  assert.equal(network.calls[0].headers.Authorization, "Bearer jwt");
  assert.equal(network.calls[0].credentials, "omit");
  assert.ok(client.bytes > bytes.length);
});

test("sse-fetch resumes by ?since= and honours a draining server's retry", async () => {
  const seen = make(SseFetchClient);
  const stream = feed();
  network.answers.push(stream);
  await connected(at(5));
  assert.equal(network.calls[0].url, `http://host/rooms/r/events?since=${encodeURIComponent(at(5))}`);
  stream.push(`data: ${JSON.stringify(welcome(5, true))}\n\nretry: 2000\n\n`);
  await turn();
  stream.end();
  await turn();
  assert.deepEqual(seen.errors, ["ended"]);
  mock.timers.tick(1999);
  await turn();
  assert.equal(network.calls.length, 1);
  mock.timers.tick(1);
  await turn();
  assert.equal(network.calls.length, 2);
});

test("heartbeats of a quiet sse-fetch keep it; silence ends it", async () => {
  const seen = make(SseFetchClient);
  const stream = feed();
  network.answers.push(stream);
  await connected();
  stream.push(`data: ${JSON.stringify(welcome(0, false, 1000))}\n\n`);
  await turn();
  for (let i = 0; i < 3; i++) {
    mock.timers.tick(1000);
    stream.push(":\n\n");
    await turn();
  }
  assert.equal(client.state, "open");
  mock.timers.tick(3000);
  await turn();
  assert.deepEqual(seen.errors, ["silent"]);
});

test("fetchstream reads a line an event, also where one is cut in two, and passes over heartbeats", async () => {
  const seen = make(FetchStreamClient);
  const stream = feed();
  network.answers.push(stream);
  client.onevent = ({ content }) => seen.events.push(content);
  await connected(at(5));
  assert.equal(network.calls[0].url, `http://host/rooms/r/stream?since=${encodeURIComponent(at(5))}`);
  stream.push(`${JSON.stringify(welcome(5, true))}\n\n`);
  const bytes = new TextEncoder().encode(`${JSON.stringify(chat(6, "grüße 🐘"))}\n`);
  for (const byte of bytes) stream.push(Uint8Array.of(byte));
  await turn(bytes.length * 2);
  assert.deepEqual(seen.events, ["grüße 🐘"]);
  stream.push(`${JSON.stringify({ type: "error", code: "shutting_down", message: "bye", retryAfterMs: 2000 })}\n`);
  await turn();
  assert.deepEqual(seen.errors, ["shutting_down"]);
  mock.timers.tick(1999);
  await turn();
  assert.equal(network.calls.length, 1);
});

test("a status that refuses is reported by its code", async () => {
  const seen = make(SseFetchClient);
  network.answers.push(json({ type: "error", code: "forbidden", message: "not this room" }, 403));
  await connected();
  assert.deepEqual([client.state, ...seen.errors], ["refused", "forbidden"]);
});

test("an answer that is no JSON is reported by its status", async () => {
  const seen = make(SseFetchClient);
  network.answers.push(new Response("<h1>Bad gateway</h1>", { status: 502 }));
  await connected();
  assert.deepEqual([client.state, ...seen.errors], ["waiting", "http_502"]);
});

test("a long poll asks at once, then waits; a lost answer loses nothing", async () => {
  const seen = make(LongPollClient, { wait: 20 });
  network.answers.push(answer([], 3), answer([4, 5], 5), new TypeError("cut"), answer([6], 6));
  await connected();
  mock.timers.tick(300);
  await turn(6);
  const asked = network.calls.map(({ url }) => Object.fromEntries(new URL(url).searchParams));
  assert.deepEqual(asked.slice(0, 4), [
    { wait: "0" },
    { since: at(3), wait: "20" },
    { since: at(5), wait: "20" },
    { since: at(5), wait: "0" },
  ]);
  assert.deepEqual(seen.events, [at(4), at(5), at(6)]);
  assert.equal(client.reconnects, 1);
});

test("a poll is notified of a gap as a stream is", async () => {
  const seen = make(LongPollClient);
  const resync = { type: "resync", reason: "epoch_changed", position: at(2, "f2f2f2f2") };
  network.answers.push(json({ events: [resync], position: at(2, "f2f2f2f2"), recovered: false }));
  await connected(at(9));
  assert.deepEqual(seen.gaps, [{ reason: "epoch_changed", from: at(9), to: at(2, "f2f2f2f2") }]);
});

test("a held poll that never returns is given up after its wait and a grace", async () => {
  const seen = make(LongPollClient, { wait: 20 });
  network.answers.push(answer([], 0));
  await connected();
  mock.timers.tick(29_000);
  await turn();
  assert.equal(client.state, "open");
  mock.timers.tick(3000);
  await turn();
  assert.deepEqual(seen.errors, ["silent"]);
});

test("a short poll asks on a fixed grid, and a slow answer skips its turn", async () => {
  let now = 0;
  mock.method(performance, "now", () => now);
  make(ShortPollClient, { interval: 1000 });
  network.answers.push(answer([], 0), answer([1], 1), answer([], 1));
  const step = async (ms) => {
    now += ms;
    mock.timers.tick(ms);
    await turn(6);
  };
  await connected();
  assert.equal(network.calls.length, 1);
  await step(999);
  assert.equal(network.calls.length, 1);
  await step(1);
  assert.equal(network.calls.length, 2);
  await step(1000);
  assert.equal(network.calls.length, 3);
});

test("SSE signs in for its cookie once, then opens a new EventSource at each reconnect", async () => {
  const seen = make(SseClient);
  network.answers.push(new Response(null, { status: 204 }));
  await connected(at(2));
  assert.equal(network.calls[0].url, "http://host/session");
  assert.deepEqual(JSON.parse(network.calls[0].body), { token: "jwt" });
  const first = FakeEventSource.last;
  assert.ok(first.url.endsWith(`since=${encodeURIComponent(at(2))}`));
  first.say(welcome(2, true));
  first.say(chat(3));
  first.onerror();
  await turn();
  assert.ok(first.closed, "the browser's own reconnect has no part in it");
  mock.timers.tick(300);
  await turn();
  assert.ok(FakeEventSource.last.url.endsWith(`since=${encodeURIComponent(at(3))}`));
  assert.equal(network.calls.length, 1);
  assert.deepEqual(seen.events, [at(3)]);
});

test("an EventSource that does not open is explained by asking in another way", async () => {
  const seen = make(SseClient);
  network.answers.push(new Response(null, { status: 204 }), json({ code: "forbidden", message: "no" }, 403));
  await connected();
  FakeEventSource.last.onerror();
  await turn(6);
  assert.deepEqual([client.state, ...seen.errors], ["refused", "forbidden"]);
});

test("an EventSource that is blocked though HTTP works is reported as that", async () => {
  const seen = make(SseClient);
  network.answers.push(new Response(null, { status: 204 }), json({ position: at(0), members: [] }));
  await connected();
  FakeEventSource.last.onerror();
  await turn(6);
  assert.deepEqual(seen.errors, ["blocked"]);
  assert.equal(client.state, "waiting");
});

test("an EventSource that an intermediary holds back is blocked, however quiet the room", async () => {
  const seen = make(SseClient);
  network.answers.push(new Response(null, { status: 204 }));
  await connected(at(0));
  network.answers.push(json({ position: at(0), members: [] }), json({ position: at(0), members: [] }));
  for (let i = 0; i < 32; i++) mock.timers.tick(1000);
  await turn(6);
  assert.deepEqual([client.state, ...seen.errors], ["waiting", "blocked"]);
});

test("a stream over fetch that an intermediary holds back is blocked, and silent where nothing answers", async () => {
  const seen = make(SseFetchClient);
  for (const answers of [[json({ position: at(0), members: [] })], [new TypeError("away")]]) {
    await connected(at(0));
    network.answers.push(...answers);
    for (let i = 0; i < 32; i++) mock.timers.tick(1000);
    await turn(6);
    client.close();
  }
  assert.deepEqual(seen.errors, ["blocked", "silent"]);
});

test("a gateway's answer to the sign-in is reported by its status", async () => {
  const seen = make(SseClient);
  network.answers.push(new Response("<h1>Bad gateway</h1>", { status: 502, statusText: "Bad Gateway" }));
  await connected();
  assert.deepEqual([client.state, ...seen.errors], ["waiting", "http_502"]);
});

test("a quiet EventSource is well while the room has not moved, and dropped when it has", async () => {
  const seen = make(SseClient);
  network.answers.push(new Response(null, { status: 204 }));
  await connected();
  FakeEventSource.last.say(welcome(4, false, 1000));
  network.answers.push(json({ position: at(4), members: [] }));
  mock.timers.tick(2000);
  await turn(6);
  network.answers.push(json({ position: at(6), members: [] }));
  mock.timers.tick(2000);
  await turn(6);
  assert.equal(client.state, "open");
  mock.timers.tick(1000);
  await turn();
  assert.deepEqual(seen.errors, ["silent"]);
});

test("sending is a POST that resolves with the event's id", async () => {
  make(LongPollClient);
  network.answers.push(json({ id: at(8), ref: "a.1" }, 202));
  assert.deepEqual(await client.send("hi", "a.1"), { id: at(8), ref: "a.1" });
  assert.deepEqual(JSON.parse(network.calls[0].body), { content: "hi", ref: "a.1" });
  network.answers.push(json({ code: "rate_limited", message: "slow", retryAfterMs: 70 }, 429));
  await assert.rejects(client.send("hi"), { code: "rate_limited", retryAfterMs: 70 });
});

test("leave closes, and ends the membership now", async () => {
  make(LongPollClient);
  network.answers.push(answer([], 0));
  await connected();
  network.answers.push(new Response(null, { status: 204 }));
  await client.leave();
  assert.equal(client.state, "closed");
  assert.equal(network.calls.at(-1).url, "http://host/rooms/r/leave");
});
