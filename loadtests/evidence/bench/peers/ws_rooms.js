// Rooms on npm's ws, as its users write them: what comes from a member goes to all members of its room. No checks.
// Usage: node ws_rooms.js PORT      Path: /rooms/NAME
const { WebSocketServer } = require("ws");

const rooms = new Map();
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });

server.on("connection", (socket, request) => {
  if (!rooms.has(request.url)) rooms.set(request.url, new Set());
  const members = rooms.get(request.url);
  members.add(socket);
  socket.on("message", (data, isBinary) => {
    for (const member of members) member.send(data, { binary: isBinary });
  });
  socket.on("close", () => members.delete(socket));
  socket.on("error", () => socket.terminate());
});
