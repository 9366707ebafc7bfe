/** The same event stream read with fetch: headers, status codes and heartbeats are visible, and no cookie is needed. */

import { RoomClient, failure } from "./room-client.js";

const LINE_END = /\r\n|\n|\r/;

/** Server-sent events (WHATWG HTML, section 9.2) out of chunks of text. */
export class EventStreamParser {
  #rest = "";
  #data = [];

  /** Take text; returns the `data` of every event that it completed. */
  push(text) {
    const known = this.#rest + text;
    const open = known.endsWith("\r") ? 1 : 0; // its LF may be in the next chunk
    const lines = known.slice(0, known.length - open).split(LINE_END);
    this.#rest = lines.pop() + known.slice(known.length - open);
    const events = [];
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length) events.push(this.#data.join("\n"));
        this.#data = [];
      } else if (line.startsWith("data:")) {
        this.#data.push(line.slice(line[5] === " " ? 6 : 5));
      } else if (line.startsWith("retry:")) {
        this.retryMs = Number(line.slice(6)) || undefined;
      }
    }
    return events;
  }
}

export class SseFetchClient extends RoomClient {
  async stream(signal) {
    const response = await this.request("/events", { signal }, { since: this.position });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventStreamParser();
    for (;;) {
      const { done, value } = await reader.read();
      // `retry:` is the server's hint of when to come back; it sends a longer one when it drains.
      if (done) throw failure("ended", "the server ended the stream", parser.retryMs);
      this.alive(value.length);
      for (const data of parser.push(decoder.decode(value, { stream: true }))) this.receive(JSON.parse(data));
    }
  }
}
