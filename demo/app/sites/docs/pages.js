"use strict";

const fs = require("node:fs");
const path = require("node:path");

/** Reads every page of a folder at once: a running site never looks into another version's folder. */
function readPages(folder) {
  const files = fs.readdirSync(folder).filter((file) => file.endsWith(".txt"));
  return new Map(
    files.sort().map((file) => {
      const [title, ...text] = fs.readFileSync(path.join(folder, file), "utf8").split("\n");
      return [path.basename(file, ".txt"), { title, text: text.join("\n").trim() }];
    }),
  );
}

module.exports = { readPages };
