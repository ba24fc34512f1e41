"use strict";

const GOODS = [
  { id: "lamp", name: "Desk lamp", cents: 3490 },
  { id: "mug", name: "Mug", cents: 890 },
  { id: "chair", name: "Chair", cents: 12900 },
];

/** The sum of a cart such as { lamp: 1, mug: 2 }, in cents. An unknown article is an error, never left out. */
function total(cart) {
  return Object.entries(cart).reduce((sum, [id, count]) => {
    const article = GOODS.find((each) => each.id === id);
    if (!article) throw new RangeError(`no article is called ${id}`);
    return sum + article.cents * count;
  }, 0);
}

const price = (cents) => `${(cents / 100).toFixed(2)} €`;

module.exports = { GOODS, price, total };
