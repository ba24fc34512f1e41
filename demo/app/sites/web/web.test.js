"use strict";

const assert = require("node:assert");
const { test } = require("node:test");
const greeting = require("./greeting");

test("it greets by the time of day", () => {
  assert.deepStrictEqual([4, 5, 11, 12, 17, 18].map(greeting), [
    "Good night",
    "Good morning",
    "Good morning",
    "Good afternoon",
    "Good afternoon",
    "Good evening",
  ]);
});
