// Takes what comes over TCP: tcp-receive.ts ADDRESS PORT. Says "ready"; ends with standard input.

import { once } from "node:events";
import { createServer } from "node:net";
import { serveUntilInputEnds } from "../lan/use.ts";

const [host = "", port = ""] = process.argv.slice(2);
const server = createServer((socket) => {
  // Senders here end by a reset.
  socket.on("error", () => {}).resume();
});
server.listen(Number(port), host);
await once(server, "listening");
await serveUntilInputEnds();
process.exit();
