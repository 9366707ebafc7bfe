// Rooms on Socket.IO, as its users write them: a client joins by an event, and its messages go to the room.
// Usage: node socketio_chat.js PORT HOST
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const [port, host] = process.argv.slice(2);
const http = createServer();
const io = new Server(http);

io.on("connection", (socket) => {
  socket.on("join", (room) => socket.join(room));
  socket.on("chat", (room, content) => io.to(room).emit("chat", content));
});

http.listen(Number(port), host);
