/** One lane: a client, the ledger that checks it, its line on the page, and its row of figures. */

import { FiguresRow } from "./figures.js";
import { Ledger } from "./ledger.js";
import { inWords } from "./refusals.js";
import { Samples } from "./samples.js";
import { count, losses, milliseconds } from "./text.js";

const STATES = {
  open: "● open",
  connecting: "◌ connecting",
  waiting: "▲ waiting to retry",
  refused: "✕ refused",
  closed: "■ off",
};
const ORDINALS = ["1st", "2nd", "3rd"]; // the others end in "th"

export class Lane {
  client = null;
  ledger = new Ledger();
  samples = new Samples();
  lastMs = Number.NaN;
  resumes = []; // ms, one for each cut that this lane felt
  #backAt = null; // when the line was whole again after a cut
  #felt = false;

  constructor({ id, title, note, make }, listeners) {
    Object.assign(this, { id, title, note, make, listeners });
    this.line = document.getElementById("lane-template").content.firstElementChild.cloneNode(true);
    this.line.dataset.lane = id;
    const part = (selector) => this.line.querySelector(selector);
    part("h3").textContent = title;
    this.stateMark = part(".state");
    this.reason = part(".reason");
    this.harm = part(".harm");
    this.result = part(".result");
    this.runner = part(".runner");
    this.row = new FiguresRow(this, () => listeners.ondelay(this));
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

  get delay() {
    return this.row.delay;
  }

  /** Say what was lost or doubled; the other figures only where they are `shown`. */
  draw({ shown }) {
    const { lost, doubled } = this.ledger;
    this.harm.textContent = [
      lost ? `${losses(this.ledger)} lost` : "",
      doubled ? `${count(doubled)} doubled` : "",
    ]
      .filter(Boolean)
      .join(", ");
    this.row.element.classList.toggle("harmed", lost + doubled > 0);
    if (shown) this.row.draw();
  }

  finish({ place, tied }, ms, share) {
    this.result.textContent = `${tied ? "tied " : ""}${ORDINALS[place - 1] ?? `${place}th`}: ${milliseconds(ms)}`;
    this.result.dataset.ms = ms;
    this.runner.hidden = false;
    this.runner.style.left = `${(share * 100).toFixed(2)}%`;
  }

  missed() {
    this.result.textContent = this.on ? "not here in time" : "";
    delete this.result.dataset.ms;
    this.runner.hidden = true;
  }

  late(ms) {
    this.result.textContent = `too late: ${milliseconds(ms)}`;
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
    this.line.dataset.state = state;
    this.stateMark.textContent = STATES[state];
    if (state === "open" || error) this.reason.textContent = inWords(error);
    this.row.showSwitch();
  }
}
