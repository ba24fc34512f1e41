"use strict";

const fs = require("node:fs");
const path = require("node:path");

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** The files of one folder, by plain names; the folder may be missing until the first one is stored. */
class Uploads {
  constructor(folder) {
    this.folder = folder;
  }

  list() {
    return fs.existsSync(this.folder) ? fs.readdirSync(this.folder).filter((name) => NAME.test(name)).sort() : [];
  }

  /** Stores a file whole or not at all; false for a name that is not allowed. */
  store(name, bytes) {
    if (!NAME.test(name)) return false;
    fs.mkdirSync(this.folder, { recursive: true });
    const draft = path.join(this.folder, `.${name}.${process.pid}`);
    fs.writeFileSync(draft, bytes);
    fs.renameSync(draft, path.join(this.folder, name));
    return true;
  }
}

module.exports = { Uploads };
