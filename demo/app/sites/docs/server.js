"use strict";

const http = require("node:http");
const path = require("node:path");
const { readPages } = require("./pages");

const { GATE_VERSION: version = null, GATE_SITE: site = null, PORT } = process.env;
const pages = readPages(path.join(__dirname, "pages"));
let stopping = false;

const escape = (text) => text.replace(/[&<]/g, (char) => `&#${char.charCodeAt(0)};`);
const frame = (title, body) => `<!doctype html><meta charset="utf-8"><title>${title}</title>
<style>body{font:18px/1.6 Georgia,serif;max-width:34em;margin:3em auto}</style>
<h1>${title}</h1>${body}<hr><small><a href="/">Contents</a> ${version}</small>
`;

function answer(url) {
  if (url === "/") {
    const links = [...pages].map(([name, page]) => `<li><a href="/${name}">${escape(page.title)}</a></li>`);
    return [200, frame("Contents", `<ul>${links.join("")}</ul>`)];
  }
  const page = pages.get(url.slice(1));
  return page ? [200, frame(escape(page.title), `<p>${escape(page.text)}</p>`)] : [404, frame("No such page", "")];
}

const server = http.createServer((request, response) => {
  if (stopping) response.setHeader("connection", "close");
  if (request.url === "/health") {
    response.setHeader("content-type", "application/json");
    return response.end(JSON.stringify({ version, site, pid: process.pid }));
  }
  const [status, html] = answer(request.url);
  response.writeHead(status, { "content-type": "text/html; charset=utf-8" }).end(html);
});

// Drain: what is being answered is answered, pm2 kills after 1.6 s.
process.on("SIGINT", () => {
  stopping = true;
  server.close(() => setTimeout(() => process.exit(0), 300)); // pm2 may have handed over one more connection
  setInterval(() => server.closeIdleConnections(), 20);
  setTimeout(() => process.exit(1), 1200);
});

server.listen(PORT, "127.0.0.1", () => process.send?.("ready"));
