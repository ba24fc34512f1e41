module.exports = "one price";
