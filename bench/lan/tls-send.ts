// Sends a file over TLS to whoever connects: tls-send.ts FILE ADDRESS PORT KEY CERTIFICATE.
// Says "ready", and at the end of standard input what it has used.

import { once } from "node:events";
import { createReadStream, readFileSync } from "node:fs";
import { createServer } from "node:tls";
import { MIB } from "../../src/base/units.ts";
import { OwnUse, serveUntilInputEnds, writeResult } from "./use.ts";

const [file = "", host = "", port = "", key = "", certificate = ""] = process.argv.slice(2);
let use = new OwnUse();
const server = createServer(
  { key: readFileSync(key), cert: readFileSync(certificate), minVersion: "TLSv1.3" },
  (socket) => {
    use = new OwnUse();
    createReadStream(file, { highWaterMark: MIB }).pipe(socket);
  },
);
server.listen(Number(port), host);
await once(server, "listening");
await serveUntilInputEnds();
writeResult(use.read());
server.close();
