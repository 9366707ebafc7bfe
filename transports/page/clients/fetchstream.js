/** NDJSON read with fetch: one event a line; an empty line says that the stream lives. */

import { RoomClient, failure } from "./room-client.js";

export class FetchStreamClient extends RoomClient {
  async stream(signal) {
    const response = await this.request("/stream", { signal }, { since: this.position });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw failure("ended", "the server ended the stream");
      this.alive(value.length);
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line) this.receive(JSON.parse(line));
    }
  }
}
