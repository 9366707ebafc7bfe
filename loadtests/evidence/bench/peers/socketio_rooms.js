// Rooms on npm's socket.io, as its users write them: what a member emits as "chat" goes to its room as "event". No checks.
// Usage: node socketio_rooms.js PORT      The handshake's auth is {"room": NAME}.
const { Server } = require("socket.io");

const server = new Server({ transports: ["websocket"] });

server.on("connection", (socket) => {
  const { room } = socket.handshake.auth;
  socket.join(room);
  socket.on("chat", (content, acknowledge) => {
    server.to(room).emit("event", content);
    if (acknowledge) acknowledge();
  });
});

server.listen(Number(process.argv[2]));
