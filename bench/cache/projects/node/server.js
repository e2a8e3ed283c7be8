// A service of one page.
const express = require("express");
const { greeting } = require("./lib/greeting");

const app = express();
app.get("/", (request, response) => response.send(greeting()));
app.listen(Number(process.env.PORT), "127.0.0.1");
