"use strict";

const http = require("node:http");
const app = require("./app");

let stopping = false;

const server = http.createServer((request, response) => {
  if (stopping) response.setHeader("connection", "close");
  app(request, response);
});

// Drain: what is being answered is answered, pm2 kills after 1.6 s.
process.on("SIGINT", () => {
  stopping = true;
  server.close(() => setTimeout(() => process.exit(0), 300)); // pm2 may have handed over one more connection
  setInterval(() => server.closeIdleConnections(), 20);
  setTimeout(() => process.exit(1), 1200);
});

server.listen(process.env.PORT, "127.0.0.1", () => process.send?.("ready"));
