"use strict";

const assert = require("node:assert");
const { test } = require("node:test");
const { scarce } = require("./stock");

test("the scarcest comes first, and what is left in plenty does not come", () => {
  assert.deepStrictEqual(scarce({ lamp: 12, mug: 3, chair: 0 }, 5), ["chair", "mug"]);
  assert.deepStrictEqual(scarce({ lamp: 12 }, 5), []);
});
