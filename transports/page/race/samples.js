/** The last latencies of a lane: a ring of fixed size, so that a long race needs no more memory than a short one. */

import { TAIL } from "./limits.js";

export class Samples {
  #ring;
  #next = 0;
  count = 0; // ever

  constructor(size = 1024) {
    this.#ring = new Float64Array(size);
  }

  push(ms) {
    this.#ring[this.#next] = ms;
    this.#next = (this.#next + 1) % this.#ring.length;
    this.count++;
  }

  get kept() {
    return Math.min(this.count, this.#ring.length);
  }

  /** The newest `n` values, oldest first. */
  recent(n) {
    const length = Math.min(n, this.kept);
    const size = this.#ring.length;
    return Array.from({ length }, (_, i) => this.#ring[(this.#next - length + i + size) % size]);
  }

  /** Percentiles and maximum of what is kept; NaN where fewer than ten samples lie beyond. */
  summary() {
    const sorted = this.#ring.slice(0, this.kept).sort();
    const at = (q) =>
      sorted.length * Math.min(q, 1 - q) >= TAIL ? sorted[Math.ceil(q * sorted.length) - 1] : Number.NaN;
    return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? Number.NaN };
  }
}
