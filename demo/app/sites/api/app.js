"use strict";

const express = require("express");
const goods = require("./goods.json");

const { GATE_VERSION: version = null, GATE_SITE: site = null } = process.env;
const app = express();
app.disable("x-powered-by");

app.get("/", (request, response) => response.json({ goods: "/goods", one: "/goods/lamp", health: "/health" }));
app.get("/health", (request, response) => response.json({ version, site, pid: process.pid }));
app.get("/goods", (request, response) => response.json(goods));
app.get("/goods/:id", (request, response) => {
  const article = goods.find((each) => each.id === request.params.id);
  response.status(article ? 200 : 404).json(article ?? { error: "no such article" });
});

module.exports = app;
