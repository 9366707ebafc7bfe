/** Which message is being raced, and when every lane has brought it. */

import { PATIENCE_MS } from "./limits.js";

const PAUSE_MS = 2200; // the replay, and a moment to read it
const KEPT_REFS = 5000;

export class Heat {
  #sent = new Map(); // ref -> when, of messages that are still on their way to some lane
  #raced = null;
  #over = null; // the last race, for what arrives after its end
  #busyUntil = 0;

  /** `onfinish(results)` is called with a Map lane -> ms, or undefined where it is not here; then `onlate(lane, ms)`. */
  constructor({ lanes, onfinish, onlate }) {
    Object.assign(this, { lanes, onfinish, onlate });
  }

  /** Note that a message leaves now. The one that the visitor sends is raced; of a stream, one now and then. */
  sent(ref) {
    const now = performance.now();
    this.#sent.set(ref, now);
    if (this.#sent.size > KEPT_REFS) this.#sent.delete(this.#sent.keys().next().value);
    if (ref.startsWith("m.") || now > this.#busyUntil) this.#start(ref, now);
  }

  /** Note a message's arrival. Returns its latency in ms; undefined when this page did not send it. */
  arrived(lane, ref) {
    const sent = this.#sent.get(ref);
    if (sent === undefined) return undefined;
    const ms = performance.now() - sent;
    if (this.#raced?.ref === ref) {
      this.#raced.results.set(lane, ms);
      if (this.lanes.every((other) => !other.on || this.#raced.results.get(other) !== undefined)) this.#finish();
    } else if (this.#over?.ref === ref && this.#over.results.get(lane) === undefined) {
      this.#over.results.set(lane, ms);
      this.onlate(lane, ms);
    }
    return ms;
  }

  #start(ref, now) {
    if (this.#raced) clearTimeout(this.#raced.timer);
    const timer = setTimeout(() => this.#finish(), PATIENCE_MS);
    this.#raced = { ref, timer, results: new Map(this.lanes.map((lane) => [lane, undefined])) };
    this.#busyUntil = now + PATIENCE_MS;
  }

  #finish() {
    const { results, timer } = this.#raced;
    clearTimeout(timer);
    this.#over = this.#raced;
    this.#raced = null;
    this.#busyUntil = performance.now() + PAUSE_MS;
    this.onfinish(results);
  }
}
