// A service of one page; `ms` is there to be installed by npm.
const http = require("http");
const ms = require("ms");

const started = Date.now();
const server = http.createServer((request, response) => {
  response.end(`Hello from Node in a stack of layers, up for ${ms(Date.now() - started)}\n`);
});
server.listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGTERM", () => server.close());
