"use strict";
// How a site lives: it says when it is ready, answers /health, and ends without dropping a request.

const http = require("node:http");

const { GATE_VERSION: version = null, GATE_SITE: site = null } = process.env;

function serve(answer) {
  let stopping = false;
  const server = http.createServer((request, response) => {
    if (stopping) response.setHeader("connection", "close");
    if (request.url !== "/health") return answer(request, response);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ version, site, pid: process.pid }));
  });
  process.on("SIGINT", () => {
    stopping = true;
    server.close(() => setTimeout(() => process.exit(0), 300)); // pm2 may have handed over one more connection
    setInterval(() => server.closeIdleConnections(), 20);
    setTimeout(() => process.exit(1), 1200); // pm2 kills after 1.6 s
  });
  server.listen(process.env.PORT, "127.0.0.1", () => process.send?.("ready"));
}

module.exports = { serve };
