// Rooms on SockJS. The first message of a connection names its room; later ones go to the room as they came.
// Usage: node sockjs_chat.js PORT HOST      Raw WebSocket: /chat/websocket
const { createServer } = require("node:http");
const sockjs = require("sockjs");

const [port, host] = process.argv.slice(2);
const http = createServer();
const chat = sockjs.createServer({ log: () => {} });
const rooms = new Map();

chat.on("connection", (connection) => {
  let members = null;
  connection.on("data", (message) => {
    if (members === null) {
      if (!rooms.has(message)) rooms.set(message, new Set());
      members = rooms.get(message).add(connection);
      return;
    }
    for (const member of members) member.write(message);
  });
  connection.on("close", () => members?.delete(connection));
});

chat.installHandlers(http, { prefix: "/chat" });
http.listen(Number(port), host);
