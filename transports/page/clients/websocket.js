/** One duplex connection. The first message carries the token; sends are acknowledged on the same socket. */

import { RoomClient, failure, newRef, size } from "./room-client.js";

const CODES = {
  4400: "bad_request",
  4401: "unauthorized",
  4403: "forbidden",
  4408: "hello_timeout",
  4409: "slow_consumer",
  4429: "rate_limited",
  1012: "shutting_down",
  1013: "unavailable",
};
const ACK_TIMEOUT_MS = 10_000;

export class WebSocketClient extends RoomClient {
  #socket = null;
  #unacknowledged = new Map(); // ref -> how to settle its send

  async stream(signal) {
    const token = await this.token(this.stale);
    signal.throwIfAborted();
    const socket = (this.#socket = new WebSocket(this.url("/ws").replace(/^http/, "ws")));
    try {
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        socket.onopen = () => this.#command({ type: "hello", token, since: this.position ?? undefined });
        socket.onmessage = ({ data }) => {
          this.alive(size(data));
          try {
            this.receive(JSON.parse(data));
          } catch (error) {
            reject(error);
          }
        };
        socket.onclose = ({ code, reason }) =>
          reject(failure(CODES[code] ?? `close_${code}`, reason || `the WebSocket closed with code ${code}`));
      });
    } finally {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      this.#settleAll(failure("cut", "the connection ended before the acknowledgement"));
    }
  }

  receive(event) {
    const settle = this.#unacknowledged.get(event.ref);
    if (event.type === "ack") settle?.(event);
    else if (event.type === "error" && settle) settle(null, failure(event.code, event.message, event.retryAfterMs));
    else super.receive(event);
  }

  send(content, ref = newRef()) {
    if (this.state !== "open") return Promise.reject(failure("not_open", "the WebSocket is not open"));
    return new Promise((resolve, reject) => {
      const settle = (answer, error) => {
        clearTimeout(timer);
        this.#unacknowledged.delete(ref);
        if (error) reject(error);
        else resolve({ id: answer.id, ref });
      };
      const timer = setTimeout(() => settle(null, failure("timeout", "no acknowledgement")), ACK_TIMEOUT_MS);
      this.#unacknowledged.set(ref, settle);
      this.#command({ type: "chat", content, ref });
    });
  }

  // A page does not see ping frames: the contract's ping command is the sign of life.
  probe() {
    this.#command({ type: "ping" });
  }

  #command(command) {
    this.#socket.send(JSON.stringify(command));
  }

  #settleAll(error) {
    for (const settle of [...this.#unacknowledged.values()]) settle(null, error);
  }
}
