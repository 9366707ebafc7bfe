/** Held and unheld GETs. What a poll consumes is only the position: a lost answer loses nothing. */

import { RoomClient, size } from "./room-client.js";

const GRACE_MS = 10_000; // past the wait, before an answer counts as lost

/** Wait; an aborted signal ends the wait with its reason. */
const sleep = (ms, signal) =>
  new Promise((resolve, reject) => {
    const abort = () => (clearTimeout(timer), reject(signal.reason));
    const timer = setTimeout(() => (signal?.removeEventListener("abort", abort), resolve()), ms);
    signal?.addEventListener("abort", abort, { once: true });
  });

class PollClient extends RoomClient {
  async poll(waitS, signal) {
    const response = await this.request("/poll", { signal }, { since: this.position, wait: waitS });
    const text = await response.text();
    this.alive(size(text));
    const { events, position } = JSON.parse(text);
    this.opened();
    for (const event of events) this.receive(event);
    this.position ??= position;
  }
}

/** Long polling: the answer waits, up to `wait` seconds, until there is something to say. */
export class LongPollClient extends PollClient {
  constructor({ wait = 25, ...options }) {
    super(options);
    this.wait = wait;
    this.heartbeatMs = (wait * 1000 + GRACE_MS) / 2; // dropped after twice that
  }

  async stream(signal) {
    await this.poll(0, signal); // says at once that the line is up, and what was missed
    for (;;) await this.poll(this.wait, signal);
  }
}

/** Short polling: a question every `interval` milliseconds, on a fixed grid. */
export class ShortPollClient extends PollClient {
  constructor({ interval = 1000, ...options }) {
    super(options);
    this.interval = interval;
    this.heartbeatMs = (interval + GRACE_MS) / 2;
  }

  async stream(signal) {
    for (let due = performance.now(); ; ) {
      await this.poll(0, signal);
      due = Math.max(due + this.interval, performance.now()); // a slow answer skips its turn
      await sleep(due - performance.now(), signal);
    }
  }
}
