/** Which message is being raced, and when every lane has brought it. */

const PATIENCE_MS = 6000;
const PAUSE_MS = 2200; // the replay, and a moment to read it
const KEPT_REFS = 5000;

export class Heat {
  #sent = new Map(); // ref -> when, of messages that are still on their way to some lane
  #raced = null;
  #busyUntil = 0;

  /** `onfinish(results)` is called with a Map lane -> ms, or undefined where it did not arrive. */
  constructor({ lanes, onfinish }) {
    this.lanes = lanes;
    this.onfinish = onfinish;
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
    this.#raced = null;
    this.#busyUntil = performance.now() + PAUSE_MS;
    this.onfinish(results);
  }
}
