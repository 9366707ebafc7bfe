import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { WebSocketClient } from "../../../transports/page/clients/websocket.js";
import { EPOCH, FakeWebSocket, at, chat, turn, watch, welcome } from "./fakes.mjs";

let tokens;
let client;
let seen;
const listeners = new Set();

const token = (stale) => {
  tokens.push(stale);
  return `token-${tokens.length}`;
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  FakeWebSocket.all = [];
  listeners.clear();
  globalThis.WebSocket = FakeWebSocket;
  globalThis.addEventListener = (_, listener) => listeners.add(listener);
  globalThis.removeEventListener = (_, listener) => listeners.delete(listener);
  mock.method(globalThis, "fetch", () => Promise.reject(new TypeError("the server can't be reached")));
  tokens = [];
  client = new WebSocketClient({ room: "r", token, base: "http://host", query: { delay: 5 } });
  seen = watch(client);
});

afterEach(async () => {
  client.close();
  await turn();
  mock.timers.reset();
  mock.restoreAll();
});

const connect = async (since) => {
  client.connect(since);
  await turn();
  FakeWebSocket.last.onopen();
};

const reconnected = async (ms = 60_000) => {
  const before = FakeWebSocket.all.length;
  await turn();
  mock.timers.tick(ms);
  await turn();
  return FakeWebSocket.all.length > before;
};

test("says hello with a token and where it was, and is open at the welcome", async () => {
  await connect(at(7));
  assert.equal(FakeWebSocket.last.url, "ws://host/rooms/r/ws?delay=5");
  assert.deepEqual(FakeWebSocket.last.sent, [{ type: "hello", token: "token-1", since: at(7) }]);
  assert.deepEqual(seen.states, ["connecting"]);
  FakeWebSocket.last.say(welcome(7, true));
  assert.equal(client.state, "open");
});

test("hands events over in order, each once", async () => {
  await connect();
  FakeWebSocket.last.say(welcome(3));
  for (const offset of [4, 5, 5, 4, 6]) FakeWebSocket.last.say(chat(offset));
  assert.deepEqual(seen.events, [at(4), at(5), at(6)]);
  assert.equal(client.position, at(6));
  assert.equal(client.repeats, 2);
});

test("resumes from its position after a cut, on a new connection", async () => {
  await connect();
  FakeWebSocket.last.say(welcome(0));
  FakeWebSocket.last.say(chat(1));
  const cut = FakeWebSocket.last;
  cut.end(1006);
  assert.ok(await reconnected());
  assert.ok(cut.closed);
  FakeWebSocket.last.onopen();
  assert.equal(FakeWebSocket.last.sent[0].since, at(1));
  FakeWebSocket.last.say(welcome(1, true));
  FakeWebSocket.last.say(chat(2));
  assert.deepEqual(seen.events, [at(1), at(2)]);
  assert.equal(client.reconnects, 1);
});

test("a WebSocket that does not open where HTTP works is blocked; what HTTP is refused with is the reason", async () => {
  const answers = [Response.json({}), Response.json({ code: "unavailable", message: "away" }, { status: 503 })];
  globalThis.fetch.mock.mockImplementation(async () => answers.shift());
  await connect();
  FakeWebSocket.last.end(1006);
  await turn(6);
  assert.ok(await reconnected());
  FakeWebSocket.last.end(1006);
  await turn(6);
  assert.deepEqual(seen.errors, ["blocked", "unavailable"]);
});

test("a hole is not passed on: it reconnects from before it", async () => {
  await connect();
  FakeWebSocket.last.say(welcome(0));
  FakeWebSocket.last.say(chat(2));
  assert.deepEqual(seen.events, []);
  assert.ok(await reconnected());
  assert.deepEqual(seen.errors, ["hole"]);
  FakeWebSocket.last.onopen();
  assert.equal(FakeWebSocket.last.sent[0].since, at(0));
});

test("a gap is reported with both its ends, and the stream goes on after it", async () => {
  await connect(at(9));
  FakeWebSocket.last.say(welcome(40));
  assert.equal(client.position, at(9), "until the resync the old position stands: a cut in between loses nothing");
  FakeWebSocket.last.say({ type: "resync", reason: "history_evicted", position: at(40) });
  FakeWebSocket.last.say(chat(41));
  assert.deepEqual(seen.gaps, [{ reason: "history_evicted", from: at(9), to: at(40) }]);
  assert.deepEqual(seen.events, [at(41)]);
});

test("a new epoch without a resync is a hole", async () => {
  await connect();
  FakeWebSocket.last.say(welcome(4));
  FakeWebSocket.last.say({ ...chat(5), id: at(5, "f2f2f2f2") });
  assert.deepEqual(seen.events, []);
  await turn();
  assert.deepEqual(seen.errors, ["hole"]);
});

test("waits between tries: doubling, jittered, capped", async () => {
  mock.method(Math, "random", () => 1);
  await connect();
  const waits = [];
  for (let i = 0; i < 8; i++) {
    FakeWebSocket.last.end(1006);
    await turn();
    let waited = 0;
    for (const tries = FakeWebSocket.all.length; FakeWebSocket.all.length === tries && waited < 20_000; waited += 250) {
      mock.timers.tick(250);
      await turn(1);
    }
    waits.push(waited);
  }
  assert.deepEqual(waits, [2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000, 10_000]);
  Math.random.mock.mockImplementation(() => 0);
  FakeWebSocket.last.end(1006);
  assert.ok(await reconnected(0), "the jitter goes down to no wait at all");
});

test("a connection that lived starts the waits anew", async () => {
  mock.method(Math, "random", () => 1);
  await connect();
  FakeWebSocket.last.say(welcome(0));
  mock.timers.tick(2500);
  FakeWebSocket.last.end(1006);
  assert.ok(await reconnected(1000));
});

test("never comes back before the server's retryAfterMs", async () => {
  mock.method(Math, "random", () => 0);
  await connect();
  FakeWebSocket.last.say({ type: "error", code: "unavailable", message: "away", retryAfterMs: 3000 });
  assert.ok(!(await reconnected(2999)));
  assert.ok(await reconnected(1));
});

test("a refusal that cannot get better ends it, with the reason", async () => {
  await connect();
  FakeWebSocket.last.say({ type: "error", code: "forbidden", message: "not this room" });
  await turn();
  assert.equal(client.state, "refused");
  assert.deepEqual(seen.errors, ["forbidden"]);
  assert.ok(!(await reconnected()));
  assert.equal(listeners.size, 0);
});

test("a refused token is replaced, and given up after three", async () => {
  await connect();
  for (const expected of ["waiting", "waiting", "refused"]) {
    FakeWebSocket.last.end(4401, "expired");
    await turn();
    assert.equal(client.state, expected);
    if (expected === "waiting") await reconnected();
  }
  assert.deepEqual(tokens, [false, true, true]);
});

test("asks a silent line for a sign of life, then gives it up", async () => {
  await connect();
  FakeWebSocket.last.say(welcome(0, false, 1000));
  mock.timers.tick(2000);
  assert.deepEqual(FakeWebSocket.last.sent.at(-1), { type: "ping" });
  FakeWebSocket.last.say({ type: "pong" });
  mock.timers.tick(2000);
  assert.equal(client.state, "open");
  mock.timers.tick(1000);
  await turn();
  assert.deepEqual(seen.errors, ["silent"]);
});

test("a device that comes online does not wait", async () => {
  mock.method(Math, "random", () => 1);
  await connect();
  FakeWebSocket.last.end(1006);
  await turn();
  for (const listener of listeners) listener();
  assert.ok(await reconnected(0));
});

test("a listener that throws does not end the stream", async () => {
  const thrown = [];
  mock.method(globalThis, "queueMicrotask", (rethrow) => thrown.push(rethrow));
  client.onevent = () => {
    throw new Error("in the page");
  };
  await connect();
  FakeWebSocket.last.say(welcome(0));
  FakeWebSocket.last.say(chat(1));
  FakeWebSocket.last.say(chat(2));
  assert.equal(client.position, at(2));
  assert.equal(thrown.length, 2);
  assert.throws(thrown[0], /in the page/);
});

test("close leaves nothing behind, and connect starts again from where it was", async () => {
  await connect();
  FakeWebSocket.last.say(welcome(0));
  FakeWebSocket.last.say(chat(1));
  client.close();
  await turn();
  const socket = FakeWebSocket.last;
  assert.ok(socket.closed);
  assert.equal(socket.onmessage, null);
  assert.equal(listeners.size, 0);
  assert.ok(!(await reconnected()), "no timer is left that reconnects");
  client.connect();
  await turn();
  FakeWebSocket.last.onopen();
  assert.equal(FakeWebSocket.last.sent[0].since, `${EPOCH}:1`);
});

test("connecting twice is connecting once", async () => {
  client.connect();
  client.connect();
  await turn();
  assert.equal(FakeWebSocket.all.length, 1);
});

test("a send is settled by its own acknowledgement, refusal or cut", async () => {
  await assert.rejects(client.send("too early"), { code: "not_open" });
  await connect();
  FakeWebSocket.last.say(welcome(0));
  const first = client.send("one", "ref.1");
  const second = client.send("two", "ref.2");
  const third = client.send("three", "ref.3");
  assert.deepEqual(FakeWebSocket.last.sent[1], { type: "chat", content: "one", ref: "ref.1" });
  FakeWebSocket.last.say({ type: "error", code: "rate_limited", message: "slow", ref: "ref.2", retryAfterMs: 50 });
  FakeWebSocket.last.say({ type: "ack", ref: "ref.1", id: at(1) });
  FakeWebSocket.last.end(1006);
  assert.deepEqual(await first, { id: at(1), ref: "ref.1" });
  await assert.rejects(second, { code: "rate_limited", retryAfterMs: 50 });
  await assert.rejects(third, { code: "cut" });
});

test("a send that is never answered is given up", async () => {
  await connect();
  FakeWebSocket.last.say(welcome(0));
  const sending = client.send("one");
  mock.timers.tick(10_000);
  await assert.rejects(sending, { code: "timeout" });
});
