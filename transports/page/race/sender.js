/** Sends messages on an absolute schedule and keeps each until the server has it. */

const RETRY_MS = 250;
const GIVE_UP_MS = 60_000;
const UNSENDABLE = ["bad_request", "too_large", "forbidden", "not_found"];

/** `channels()` lists clients in order of preference; the first that is open carries the next message. */
export class Sender {
  accepted = 0;
  refused = 0;
  waiting = 0; // sent or due, not yet acknowledged
  #stop = null;

  constructor({ channels, newRef, onsend, onaccepted, onrefused }) {
    Object.assign(this, { channels, newRef, onsend, onaccepted, onrefused });
  }

  get streaming() {
    return this.#stop !== null;
  }

  /** Send one message, again and again under the same ref until it is stored. Resolves with its ref. */
  async send(content, kind = "m") {
    const ref = `${kind}.${this.newRef()}`;
    this.onsend(ref);
    this.waiting++;
    try {
      const { id } = await this.#deliver(content, ref);
      this.accepted++;
      this.onaccepted(id);
    } catch (error) {
      this.refused++;
      this.onrefused(error);
    } finally {
      this.waiting--;
    }
    return ref;
  }

  /** Send `rate` messages a second until `stop`, or `limit` of them. A late timer catches up: the schedule is absolute. */
  stream({ rate, payload, limit = Infinity, onend = () => {} }) {
    this.stop();
    const began = performance.now();
    let sent = 0;
    const tick = () => {
      const due = Math.min(limit, Math.floor(((performance.now() - began) / 1000) * rate) + 1);
      for (; sent < due; sent++) this.send(payload(sent), "s");
      if (sent >= limit) this.stop();
    };
    const timer = setInterval(tick, Math.min(1000 / rate, 250) / 2);
    this.#stop = () => {
      clearInterval(timer);
      onend();
    };
    tick();
  }

  stop() {
    const stop = this.#stop;
    this.#stop = null;
    stop?.();
  }

  async #deliver(content, ref) {
    for (const began = performance.now(); ; ) {
      try {
        const channel = this.channels().find((client) => client.state === "open");
        if (channel) return await channel.send(content, ref);
      } catch (error) {
        if (UNSENDABLE.includes(error.code) || performance.now() - began > GIVE_UP_MS) throw error;
      }
      if (performance.now() - began > GIVE_UP_MS) throw new Error("no lane was open for a minute");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
