"use strict";

const { escape, sendPage } = require("../../lib/page");
const { GOODS, price } = require("./cart");

/** Answers one request of the shop. */
module.exports = (request, response) => {
  if (request.url !== "/") return sendPage(response, "Not here", "<p>The shop has one page.</p>", 404);
  const rows = GOODS.map(({ name, cents }) => `<li>${escape(name)}: ${price(cents)}</li>`);
  sendPage(response, "Shop", `<ul>${rows.join("")}</ul>`);
};
