"use strict";

const STOCK = { lamp: 12, mug: 3, chair: 0 };

/** What is left of `limit` pieces or fewer, the scarcest first. */
function scarce(stock, limit) {
  const few = Object.entries(stock).filter(([, count]) => count <= limit);
  return few.sort(([, one], [, other]) => one - other).map(([id]) => id);
}

module.exports = { STOCK, scarce };
