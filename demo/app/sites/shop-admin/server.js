"use strict";

const http = require("node:http");
const { STOCK, scarce } = require("./stock");

const { GATE_VERSION: version = null, GATE_SITE: site = null, PORT } = process.env;
let stopping = false;

const page = () => `<!doctype html><meta charset="utf-8"><title>Stock</title>
<style>body{font:16px/1.5 monospace;margin:3em;background:#fbf7ef}</style>
<h1>Order soon</h1><p>${scarce(STOCK, 5).join(", ")}</p><small>${version}</small>
`;

const server = http.createServer((request, response) => {
  if (stopping) response.setHeader("connection", "close");
  const health = request.url === "/health";
  response.setHeader("content-type", health ? "application/json" : "text/html; charset=utf-8");
  response.end(health ? JSON.stringify({ version, site, pid: process.pid }) : page());
});

// Drain: what is being answered is answered, pm2 kills after 1.6 s.
process.on("SIGINT", () => {
  stopping = true;
  server.close(() => setTimeout(() => process.exit(0), 300)); // pm2 may have handed over one more connection
  setInterval(() => server.closeIdleConnections(), 20);
  setTimeout(() => process.exit(1), 1200);
});

server.listen(PORT, "127.0.0.1", () => process.send?.("ready"));
