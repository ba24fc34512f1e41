"use strict";

const http = require("node:http");
const path = require("node:path");
const { buffer } = require("node:stream/consumers");
const { Uploads } = require("./uploads");

const { GATE_VERSION: version = null, GATE_SITE: site = null, PORT } = process.env;
const uploads = new Uploads(path.join(__dirname, "uploads"));
let stopping = false;

function page() {
  const names = uploads.list();
  return `<!doctype html><meta charset="utf-8"><title>Blog</title>
<style>body{font:18px/1.6 system-ui;max-width:34em;margin:3em auto}</style>
<h1>Blog</h1><p>${names.length} uploaded: ${names.join(", ") || "nothing yet"}</p><small>${version}</small>
`;
}

async function answer(request, response) {
  const [, folder, name] = request.url.split("/");
  if (request.url === "/health") {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ version, site, pid: process.pid }));
  } else if (folder === "uploads" && (request.method === "PUT" || request.method === "POST")) {
    const stored = uploads.store(name ?? "", await buffer(request));
    response.writeHead(stored ? 201 : 400).end(stored ? "stored\n" : "a-z, 0-9, dot, dash and underscore only\n");
  } else {
    response.writeHead(folder ? 404 : 200, { "content-type": "text/html; charset=utf-8" }).end(page());
  }
}

const server = http.createServer((request, response) => {
  if (stopping) response.setHeader("connection", "close");
  answer(request, response).catch(() => response.destroy());
});

// Drain: what is being answered is answered, pm2 kills after 1.6 s.
process.on("SIGINT", () => {
  stopping = true;
  server.close(() => setTimeout(() => process.exit(0), 300)); // pm2 may have handed over one more connection
  setInterval(() => server.closeIdleConnections(), 20);
  setTimeout(() => process.exit(1), 1200);
});

server.listen(PORT, "127.0.0.1", () => process.send?.("ready"));
