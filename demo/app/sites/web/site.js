"use strict";

const { sendPage } = require("../../lib/page");
const greeting = require("./greeting");

/** Answers one request of the front page. */
module.exports = (request, response) => {
  if (request.url !== "/") return sendPage(response, "Not here", "<p>There is one page.</p>", 404);
  sendPage(response, greeting(new Date().getHours()), "<p>Lamps, mugs and chairs, since this morning.</p>");
};
