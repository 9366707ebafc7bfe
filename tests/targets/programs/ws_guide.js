// The guide's chat server on npm's ws: rooms of clients in a Map, JSON both ways, liveness by ping every 30 seconds.
// Usage: node ws_guide.js PORT HOST      Path: /?room=NAME      Message: {"type":"chat","content":TEXT}
const { randomUUID } = require("node:crypto");
const { WebSocket, WebSocketServer } = require("ws");

const [port, host] = process.argv.slice(2);
const server = new WebSocketServer({ port: Number(port), host });
const rooms = new Map();

function broadcast(roomId, message) {
  const text = JSON.stringify(message);
  for (const client of (rooms.get(roomId) ?? new Map()).values()) {
    if (client.readyState === WebSocket.OPEN) client.send(text);
  }
}

server.on("connection", (socket, request) => {
  const roomId = new URL(request.url, "http://server").searchParams.get("room");
  const userId = randomUUID();
  if (!rooms.has(roomId)) rooms.set(roomId, new Map());
  rooms.get(roomId).set(userId, socket);
  socket.isAlive = true;
  socket.on("pong", () => { socket.isAlive = true; });
  socket.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.type === "chat") {
      broadcast(roomId, { type: "chat", userId, content: message.content, timestamp: Date.now() });
    }
  });
  socket.on("close", () => {
    rooms.get(roomId).delete(userId);
    broadcast(roomId, { type: "user_left", userId });
  });
  broadcast(roomId, { type: "user_joined", userId });
});

setInterval(() => {
  for (const socket of server.clients) {
    if (!socket.isAlive) socket.terminate();
    socket.isAlive = false;
    socket.ping();
  }
}, 30_000);
