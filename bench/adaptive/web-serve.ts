// Answers every request with so many bytes: web-serve.ts ADDRESS PORT BYTES. Says "ready"; ends
// with standard input.

import { once } from "node:events";
import { createServer } from "node:http";
import { serveUntilInputEnds } from "../lan/use.ts";

const [host = "", port = "", bytes = ""] = process.argv.slice(2);
const answer = new Uint8Array(Number(bytes));
const server = createServer((_, response) => {
  // A connection for each request: every one begins slowly, as those of a new page do.
  response.writeHead(200, { "content-length": answer.length, connection: "close" }).end(answer);
});
server.listen(Number(port), host);
await once(server, "listening");
await serveUntilInputEnds();
process.exit();
