"use strict";

const assert = require("node:assert");
const { test } = require("node:test");
const { page } = require("../../lib/page");
const { price, total } = require("./cart");

test("a cart is summed up", () => {
  assert.strictEqual(price(total({ lamp: 1, mug: 2 })), "52.70 €");
  assert.strictEqual(total({}), 0);
});

test("an unknown article is an error", () => {
  assert.throws(() => total({ lam: 1 }), RangeError);
});

test("a title is shown, never run", () => {
  assert.match(page("<script>", ""), /<h1>&#60;script&#62;<\/h1>/);
});
