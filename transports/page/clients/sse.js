/** The browser's own EventSource. It can't send headers, so `POST /session` turns the token into a cookie first. */

import { RoomClient, failure, refusal, size } from "./room-client.js";

export class SseClient extends RoomClient {
  #session = false;

  async stream(signal) {
    if (!this.#session || this.stale) await this.#signIn(signal);
    signal.throwIfAborted();
    // A new EventSource each time: its own reconnect has no jitter, and gives up at the first 503.
    const source = new EventSource(this.url("/events", { since: this.position }), { withCredentials: true });
    try {
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        source.onmessage = ({ data, lastEventId }) => {
          this.alive(size(data) + lastEventId.length);
          try {
            this.receive(JSON.parse(data));
          } catch (error) {
            reject(error);
          }
        };
        source.onerror = () => reject(failure("cut", "the event stream was cut"));
      });
    } finally {
      if (this.state !== "open") this.#session = false; // EventSource tells no status: the cookie may have gone
      source.onmessage = source.onerror = null;
      source.close();
    }
  }

  // Comment lines are invisible here: a quiet open stream is well if the room has not moved.
  async probe() {
    try {
      const { position } = await (await this.request("")).json();
      if (position === this.position) this.alive();
    } catch {
      // no answer is no sign of life
    }
  }

  async #signIn(signal) {
    const body = JSON.stringify({ token: await this.token(this.stale) });
    const response = await fetch(`${this.base}/session`, { method: "POST", body, credentials: "include", signal });
    if (!response.ok) throw await refusal(response);
    this.#session = true;
  }
}
