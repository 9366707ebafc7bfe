// A member of a room on npm's `socket.io-client`, with its own automatic reconnect. Prints every event; emits every line
// of standard input as a `chat` and prints what the callback gets. A reconnect resumes where the last event left off.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const { url, token, room, since, transports } = JSON.parse(process.argv[2]);
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
let position = since;
const socket = io(url, {
  auth: (give) => give({ token, room, ...(position && { since: position }) }),
  reconnectionDelay: 100,
  ...(transports && { transports }),
});

socket.on("event", (event) => {
  position = event.id ?? event.position ?? position;
  say(event);
});
socket.on("connect_error", (error) => error.data && say({ refused: error.data }));
socket.on("disconnect", (reason) => say({ disconnected: reason }));
socket.io.engine.on("upgrade", (transport) => say({ upgraded: transport.name }));
createInterface({ input: process.stdin })
  .on("line", (line) => socket.emit("chat", JSON.parse(line), (answer) => say({ answer })))
  .on("close", () => {
    socket.disconnect();
    process.exit(0);
  });
