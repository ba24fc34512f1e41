const fs = require("fs");

if (!process.env.API_TOKEN) throw new Error("API_TOKEN is missing");
fs.writeFileSync("tmp/started", "");
const count = fs.existsSync("uploads/count") ? Number(fs.readFileSync("uploads/count", "utf8")) + 1 : 1;
fs.writeFileSync("uploads/count", String(count));
require("http")
  .createServer((request, response) => {
    response.statusCode = request.headers.host === "legacy.example" ? 203 : 404;
    response.end(`one relic, well, start ${count}, token of ${process.env.API_TOKEN.length}`);
  })
  .listen(process.env.PORT, "127.0.0.1");
