import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Heat } from "../../../transports/page/race/heat.js";
import { clockStepMs, tieMs } from "../../../transports/page/race/limits.js";
import { Ledger } from "../../../transports/page/race/ledger.js";
import { podium } from "../../../transports/page/race/photo-finish.js";
import { Samples } from "../../../transports/page/race/samples.js";
import { Sender } from "../../../transports/page/race/sender.js";
import { bytes, losses, milliseconds, typed } from "../../../transports/page/race/text.js";
import { verdict } from "../../../transports/page/race/verdict.js";
import { at, chat, turn } from "./fakes.mjs";

test("a ledger counts what is lost and what comes twice", () => {
  const ledger = new Ledger();
  ledger.begin(at(0));
  for (const offset of [1, 2, 4, 4, 3, 5]) ledger.take(chat(offset));
  assert.deepEqual([ledger.messages, ledger.lost, ledger.doubled], [6, 1, 2]);
});

const NEXT = "f2f2f2f2";

test("a gap counts as lost; of a new epoch's, what was acknowledged to this page", () => {
  const ledger = new Ledger();
  ledger.begin(at(3));
  for (const offset of [8, 11, 12, 13]) ledger.acknowledged(at(offset));
  ledger.gap({ to: at(10) });
  ledger.take(chat(11));
  assert.deepEqual([ledger.lost, losses(ledger)], [7, "7"]);
  ledger.acknowledged(at(1, NEXT)); // before the lane enters the new epoch, and missed by it
  ledger.acknowledged(at(3, NEXT));
  ledger.gap({ to: at(2, NEXT) });
  ledger.take({ ...chat(3), id: at(3, NEXT) });
  assert.deepEqual([ledger.lost, losses(ledger), ledger.doubled], [10, "≥ 10", 0]);
  for (const late of [at(11), at(14), at(2, NEXT), at(3, NEXT)]) ledger.acknowledged(late);
  assert.equal(ledger.lost, 12, "acknowledgements that come late: one of the old epoch and one of the new were missed");
});

test("an acknowledged message that arrives is not lost, whichever is first", () => {
  const ledger = new Ledger();
  ledger.begin(at(0));
  ledger.acknowledged(at(1));
  for (const offset of [1, 2]) ledger.take(chat(offset));
  ledger.acknowledged(at(2));
  ledger.gap({ to: at(0, NEXT) });
  assert.deepEqual([ledger.lost, losses(ledger)], [0, "≥ 0"]);
});

test("lanes share a place within two milliseconds of its first, or within two steps of a coarser clock", () => {
  assert.deepEqual([0, 0.1, 1, 16].map(tieMs), [2, 2, 2, 32]);
  let ms = 0;
  assert.equal(clockStepMs(() => Math.floor((ms += 3) / 16) * 16), 16);
  assert.equal(clockStepMs(() => 7), 0);

  const results = new Map([["a", 3.9], ["b", 2.0], ["c", 4.1], ["d", undefined], ["e", 9], ["f", 5.9]]);
  const said = podium(results, 2).map(({ lane, place, tied }) => [lane, place, tied]);
  assert.deepEqual(said, [
    ["a", 1, true],
    ["b", 1, true],
    ["c", 3, true],
    ["f", 3, true],
    ["e", 5, false],
  ]);
});

test("the verdict names who is first, who ties, who comes later and who is missing", () => {
  const lane = (title) => ({ title });
  const [web, sse, long, short] = ["WebSocket", "SSE", "Long poll", "Short poll"].map(lane);
  const say = (times, missing) => verdict(podium(new Map(times), 2), missing);
  const short431 = [short, 431];
  assert.equal(
    say([[web, 2.1], [sse, 3.9], [long, 2.4], short431]),
    "WebSocket, SSE and Long poll tie for first: 2.1 to 3.9 ms. Then Short poll after 431 ms.",
  );
  assert.equal(
    say([[web, 9], [sse, 2.1], [long, 9.5], short431]),
    "SSE is first: 2.1 ms. Then WebSocket and Long poll after 9.0 to 9.5 ms (a tie) and Short poll after 431 ms.",
  );
  assert.equal(say([[web, 2.1], [sse, 2.1]]), "WebSocket and SSE tie for first: 2.1 ms.");
  assert.equal(say([[web, 2.1]]), "WebSocket ran alone: 2.1 ms.");
  assert.equal(say([[web, 2.1]], [short]), "WebSocket is first: 2.1 ms. Not here after 6 s: Short poll.");
  assert.equal(say([], [web, short]), "No lane brought the message within 6 s.");
});

test("what arrives after the race corrects its lane, once", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const lanes = [{ on: true }, { on: true }];
  const late = [];
  let results = null;
  const heat = new Heat({ lanes, onfinish: (given) => (results = new Map(given)), onlate: (lane) => late.push(lane) });
  heat.sent("m.1");
  heat.arrived(lanes[0], "m.1");
  mock.timers.tick(6000);
  assert.equal(results.get(lanes[1]), undefined);
  for (const lane of [lanes[1], lanes[1], lanes[0]]) heat.arrived(lane, "m.1");
  assert.deepEqual(late, [lanes[1]]);
  mock.timers.reset();
});

test("samples keep the newest, and say no percentile with fewer than ten beyond", () => {
  const samples = new Samples(1000);
  for (let ms = 1; ms <= 19; ms++) samples.push(ms);
  assert.ok(Number.isNaN(samples.summary().p50));
  samples.push(20);
  assert.equal(samples.summary().p50, 10);
  for (let ms = 21; ms <= 999; ms++) samples.push(ms);
  assert.ok(Number.isNaN(samples.summary().p99));
  samples.push(1000);
  assert.deepEqual(samples.summary(), { p50: 500, p99: 990, max: 1000 });
  samples.push(1001);
  assert.deepEqual(samples.recent(3), [999, 1000, 1001]);
  assert.equal(samples.kept, 1000);
  assert.equal(samples.count, 1001);
});

test("escaped content gives back what was typed, once", () => {
  assert.equal(typed("&lt;b&gt; &amp;amp; &quot;x&quot; &#x27;"), "<b> &amp; \"x\" '");
});

test("numbers carry units a person reads", () => {
  assert.deepEqual([Number.NaN, 1.25, 123.4, 12_345].map(milliseconds), ["–", "1.3 ms", "123 ms", "12.3 s"]);
  assert.deepEqual([999, 1500, 2_500_000].map(bytes), ["999 B", "1.5 kB", "2.5 MB"]);
});

function makeSender(send) {
  const client = { state: "open", send };
  const noted = { refs: [], accepted: [], refused: [] };
  let count = 0;
  const sender = new Sender({
    channels: () => [client],
    newRef: () => `${++count}`,
    onsend: (ref) => noted.refs.push(ref),
    onaccepted: (id) => noted.accepted.push(id),
    onrefused: (error) => noted.refused.push(error),
  });
  return { sender, client, noted };
}

test("a message that was cut is sent again under its own ref, until it is stored", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const tried = [];
  const { sender, noted } = makeSender(async (content, ref) => {
    tried.push(ref);
    if (tried.length < 3) throw new Error("cut");
    return { id: at(1), ref };
  });
  const sending = sender.send("hello");
  for (let i = 0; i < 3; i++) {
    await turn();
    mock.timers.tick(250);
  }
  assert.equal(await sending, "m.1");
  assert.deepEqual(tried, ["m.1", "m.1", "m.1"]);
  assert.deepEqual([sender.accepted, sender.waiting, noted.refused.length], [1, 0, 0]);
  assert.deepEqual(noted.accepted, [at(1)]);
  mock.timers.reset();
});

test("a message that nobody will ever take is given up and reported", async () => {
  const { sender, noted } = makeSender(() => Promise.reject(Object.assign(new Error("too long"), { code: "too_large" })));
  await sender.send("x");
  assert.equal(sender.refused, 1);
  assert.equal(noted.refused[0].code, "too_large");
});

test("a stream keeps to its schedule when a timer was late, and ends by its limit", async () => {
  let now = 0;
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  mock.method(performance, "now", () => now);
  const { sender, noted } = makeSender(async () => ({}));
  let ended = 0;
  sender.stream({ rate: 50, payload: (n) => `${n}`, limit: 60, onend: () => ended++ });
  assert.equal(noted.refs.length, 1);
  now = 1000;
  mock.timers.tick(10);
  assert.equal(noted.refs.length, 51);
  now = 5000;
  mock.timers.tick(10);
  assert.deepEqual([noted.refs.length, sender.streaming, ended], [60, false, 1]);
  await turn();
  assert.equal(sender.accepted, 60);
  mock.timers.reset();
  mock.restoreAll();
});
