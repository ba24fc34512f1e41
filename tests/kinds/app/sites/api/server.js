const app = require("express")();

app.get("/", (request, response) => response.send("one route"));
const server = app.listen(process.env.PORT, "127.0.0.1", () => process.send("ready"));
process.on("SIGINT", () => server.close(() => process.exit(0)));
