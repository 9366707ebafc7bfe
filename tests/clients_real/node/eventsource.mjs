// A reader of a room on npm's `eventsource`, with its own automatic reconnect. Prints every message.
import { createInterface } from "node:readline";
import { EventSource } from "eventsource";

const { url, token, since } = JSON.parse(process.argv[2]);
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const authorised = (input, init) =>
  fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });
const source = new EventSource(since ? `${url}?since=${since}` : url, { fetch: authorised });

source.onmessage = (event) => say({ lastEventId: event.lastEventId, ...JSON.parse(event.data) });
createInterface({ input: process.stdin }).on("close", () => {
  source.close();
  process.exit(0);
});
