"use strict";

const assert = require("node:assert");
const path = require("node:path");
const { test } = require("node:test");
const { readPages } = require("./pages");

test("every page has a title and a text", () => {
  const pages = readPages(path.join(__dirname, "pages"));
  assert.ok(pages.has("start"));
  for (const [name, page] of pages) {
    assert.ok(page.title && page.text, name);
  }
});
