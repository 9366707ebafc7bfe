// Faye as its guide mounts it, with the limits of its defaults.
// Usage: node faye_chat.js PORT HOST
const { createServer } = require("node:http");
const faye = require("faye");

const [port, host] = process.argv.slice(2);
const http = createServer((_, answer) => answer.end());
const bayeux = new faye.NodeAdapter({ mount: "/bayeux", timeout: 45 });

bayeux.attach(http);
http.listen(Number(port), host);
