const prices = require("@acme/prices");

const server = require("http").createServer((request, response) => response.end(prices));
server.listen(process.env.PORT, "127.0.0.1", () => process.send("ready"));
process.on("SIGINT", () => server.close(() => process.exit(0)));
