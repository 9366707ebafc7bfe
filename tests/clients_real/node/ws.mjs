// A member of a room on npm's `ws`. Prints every frame; sends every line of standard input as a frame.
import { createInterface } from "node:readline";
import WebSocket from "ws";

const { url, token, since } = JSON.parse(process.argv[2]);
const socket = new WebSocket(url);
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

socket.on("open", () => socket.send(JSON.stringify({ type: "hello", token, ...(since && { since }) })));
socket.on("message", (data) => say(JSON.parse(data.toString())));
socket.on("close", (code) => {
  say({ closed: code });
  process.exit(0);
});
createInterface({ input: process.stdin })
  .on("line", (line) => socket.send(line))
  .on("close", () => socket.close(1000));
