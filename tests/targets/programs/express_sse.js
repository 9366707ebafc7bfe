// Server-Sent Events on Express: a GET holds the response, a POST writes to all responses of the room.
// Usage: node express_sse.js PORT HOST
const express = require("express");

const [port, host] = process.argv.slice(2);
const app = express();
const rooms = new Map();

app.get("/rooms/:room/events", (request, response) => {
  const { room } = request.params;
  response.set({ "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  response.flushHeaders();
  if (!rooms.has(room)) rooms.set(room, new Set());
  rooms.get(room).add(response);
  request.on("close", () => rooms.get(room).delete(response));
});

app.post("/rooms/:room/messages", express.json(), (request, response) => {
  const event = `data: ${JSON.stringify({ content: request.body.content, timestamp: Date.now() })}\n\n`;
  for (const member of rooms.get(request.params.room) ?? []) member.write(event);
  response.sendStatus(202);
});

app.listen(Number(port), host);
