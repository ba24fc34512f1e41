"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { test } = require("node:test");
const { Uploads } = require("./uploads");

test("what is stored is listed, and a bad name is not stored", (context) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "uploads-"));
  context.after(() => fs.rmSync(folder, { recursive: true }));
  const uploads = new Uploads(path.join(folder, "new"));
  assert.deepStrictEqual(uploads.list(), []);
  assert.ok(uploads.store("photo.jpg", Buffer.from("one")));
  assert.ok(uploads.store("photo.jpg", Buffer.from("two")));
  assert.ok(!uploads.store("../escape", Buffer.from("no")));
  assert.deepStrictEqual(uploads.list(), ["photo.jpg"]);
});
