#!/usr/bin/env node
// Works as Next.js does, as far as a gate can see: `build` makes .next, `start -p PORT` serves it and writes a cache.
const fs = require("fs");

const [verb, , port] = process.argv.slice(2);
if (verb === "build") {
  fs.mkdirSync(".next/cache", { recursive: true });
  fs.writeFileSync(".next/page", fs.readFileSync("pages/index.txt", "utf8").trim().toUpperCase());
  fs.writeFileSync(".next/cache/of-the-build", "");
} else {
  const page = fs.readFileSync(".next/page", "utf8");
  fs.writeFileSync(`.next/cache/${process.pid}`, "");
  const cached = fs.readdirSync(".next/cache").includes("of-the-build") ? " WITH AN OLD CACHE" : "";
  const server = require("http").createServer((request, response) => response.end(page + cached));
  server.listen(port, "127.0.0.1");
  process.on("SIGINT", () => server.close(() => process.exit(0)));
}
