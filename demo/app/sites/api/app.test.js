"use strict";

const assert = require("node:assert");
const { once } = require("node:events");
const { test } = require("node:test");
const app = require("./app");

test("an article is found by its whole id", async (context) => {
  const server = app.listen(0, "127.0.0.1");
  context.after(() => server.close());
  await once(server, "listening");
  const ask = (path) => fetch(`http://127.0.0.1:${server.address().port}${path}`);
  assert.strictEqual((await (await ask("/goods/lamp")).json()).cents, 3490);
  assert.strictEqual((await ask("/goods/lam")).status, 404);
});
