/** One lane: a client, the ledger that checks it, and its card on the page. */

import { Ledger } from "./ledger.js";
import { inWords } from "./refusals.js";
import { Samples } from "./samples.js";
import { Sparkline } from "./sparkline.js";
import { bytes, count, losses, milliseconds } from "./text.js";

const STATES = {
  open: "● open",
  connecting: "◌ connecting",
  waiting: "▲ waiting to retry",
  refused: "✕ refused",
  closed: "■ off",
};
const ORDINALS = ["1st", "2nd", "3rd"]; // the others end in "th"
const FIGURES = [
  ["Last", (lane) => milliseconds(lane.lastMs)],
  ["p50", (lane, summary) => milliseconds(summary.p50)],
  ["p99", (lane, summary) => milliseconds(summary.p99)],
  ["Worst", (lane, summary) => milliseconds(summary.max)],
  ["Messages", (lane) => count(lane.ledger.messages)],
  ["Lost", (lane) => losses(lane.ledger)],
  ["Doubled", (lane) => count(lane.ledger.doubled)],
  ["Received", (lane) => bytes(lane.client?.bytes ?? 0)],
  ["Reconnects", (lane) => count(lane.client?.reconnects ?? 0)],
];

export class Lane {
  client = null;
  ledger = new Ledger();
  samples = new Samples();
  lastMs = Number.NaN;
  resumes = []; // ms, one for each cut that this lane felt
  ownDelay = ""; // "" follows the page's
  #backAt = null; // when the line was whole again after a cut
  #felt = false;

  constructor({ id, title, note, make }, listeners) {
    Object.assign(this, { id, title, make, listeners });
    this.card = document.getElementById("lane-template").content.firstElementChild.cloneNode(true);
    this.card.dataset.lane = id;
    const part = (selector) => this.card.querySelector(selector);
    part("h3").textContent = title;
    part(".note").textContent = note;
    this.stateMark = part(".state");
    this.reason = part(".reason");
    this.result = part(".result");
    this.runner = part(".runner");
    this.spark = new Sparkline(part(".sparkline"));
    this.figures = FIGURES.map(([name]) => figure(part("dl"), name));
    this.toggle = part(".toggle");
    this.toggle.addEventListener("click", () => (this.on ? this.stop() : this.start()));
    this.delay = part(".lane-delay");
    this.delay.setAttribute("aria-label", `Link of ${title}`);
    this.delay.addEventListener("change", () => listeners.ondelay(this));
    this.#show("closed");
  }

  /** Take a new client, of a new room or visitor; what was counted starts again. */
  equip(options, position) {
    this.client?.close();
    this.ledger = new Ledger();
    this.samples = new Samples();
    this.lastMs = Number.NaN;
    this.resumes = [];
    this.ledger.begin(position);
    this.client = this.make(options);
    this.client.position = position;
    this.client.onstate = (state, error) => this.#state(state, error);
    this.client.onevent = (event) => {
      this.ledger.take(event);
      this.listeners.onevent(this, event);
    };
    this.client.ongap = (gap) => {
      this.ledger.gap(gap);
      this.listeners.ongap(this, gap);
    };
  }

  get on() {
    return this.client !== null && !["closed", "refused"].includes(this.client.state);
  }

  start() {
    this.client?.connect();
  }

  stop() {
    this.client?.close();
  }

  /** Connect again over another link; what was missed meanwhile is resumed. */
  relink(query) {
    if (!this.client) return;
    const wasOn = this.on;
    this.client.query = query;
    if (!wasOn) return;
    this.stop();
    this.start();
  }

  /** Note that the cord was cut; the line is whole again at `backAt` (performance.now). */
  cut(backAt) {
    this.#backAt = backAt;
    this.#felt = this.client?.state !== "open";
  }

  latency(ms) {
    this.lastMs = ms;
    this.samples.push(ms);
  }

  draw() {
    const summary = this.samples.summary();
    FIGURES.forEach(([, say], i) => (this.figures[i].textContent = say(this, summary)));
    this.card.classList.toggle("harmed", this.ledger.lost + this.ledger.doubled > 0);
    this.spark.draw(this.samples.recent(160));
  }

  finish({ place, tied }, ms, share) {
    this.result.textContent = `${tied ? "tied " : ""}${ORDINALS[place - 1] ?? `${place}th`}: ${milliseconds(ms)}`;
    this.runner.hidden = false;
    this.runner.style.left = `${(share * 100).toFixed(2)}%`;
  }

  missed() {
    this.result.textContent = this.on ? "not here yet: the race is over" : "";
    this.runner.hidden = true;
  }

  late(ms) {
    this.result.textContent = `arrived after the race: ${milliseconds(ms)}`;
  }

  run(durationMs) {
    const { left } = this.runner.style;
    this.runner.animate([{ left: "0%" }, { left }], { duration: durationMs, easing: "linear" });
  }

  #state(state, error) {
    this.#show(state, error);
    if (state !== "open") this.#felt ||= this.#backAt !== null;
    else if (this.#felt && this.#backAt !== null) {
      this.resumes.push(Math.max(0, performance.now() - this.#backAt));
      this.#felt = false;
      this.#backAt = null;
    }
    this.listeners.onstate(this, state, error);
  }

  #show(state, error) {
    this.card.dataset.state = state;
    this.stateMark.textContent = STATES[state];
    if (state === "open" || error) this.reason.textContent = inWords(error);
    this.toggle.textContent = this.on ? "Stop" : "Start";
    this.toggle.setAttribute("aria-label", `${this.toggle.textContent} ${this.title}`);
  }
}

function figure(list, name) {
  const group = document.createElement("div");
  const term = document.createElement("dt");
  const value = document.createElement("dd");
  term.textContent = name;
  group.dataset.figure = name.toLowerCase();
  group.append(term, value);
  list.append(group);
  return value;
}
