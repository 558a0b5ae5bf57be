// Takes a file over TLS, verifies its pieces and writes it: tls-receive.ts FOLDER FILE ADDRESS PORT.
// Says what it has used.

import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { connect } from "node:tls";
import { equalBytes } from "../../src/base/bytes.ts";
import { invariant } from "../../src/base/invariant.ts";
import { MIB } from "../../src/base/units.ts";
import { preallocate, readContent } from "./content.ts";
import { OwnUse, writeResult } from "./use.ts";

const [folder = "", file = "", host = "", port = ""] = process.argv.slice(2);
const { pieces, sizeBytes } = (await readContent(folder)).manifest;
await preallocate(file, sizeBytes);
const fd = openSync(file, "r+");

/** What has come and has not been written: a call for each record of TLS would be too many. */
const gathered = new Uint8Array(MIB);
let gatheredBytes = 0;
let writtenBytes = 0;

let piece = 0;
let hash: Hash = createHash("sha256");
let leftBytes = pieces[0]?.sizeBytes ?? 0;

// Everybody here is our own.
const socket = connect({ host, port: Number(port), rejectUnauthorized: false });
await once(socket, "secureConnect");
const use = new OwnUse();
socket.on("data", (bytes) => {
  verify(bytes);
  if (gatheredBytes + bytes.length > gathered.length) write();
  gathered.set(bytes, gatheredBytes);
  gatheredBytes += bytes.length;
});
await once(socket, "end");
write();
invariant(piece === pieces.length && writtenBytes === sizeBytes, "all of it has come");
writeResult(use.read());
closeSync(fd);
socket.destroy();

function verify(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const some = bytes.subarray(at, at + leftBytes);
    hash.update(some);
    at += some.length;
    leftBytes -= some.length;
    if (leftBytes > 0) return;
    const expected = pieces[piece]?.sha256;
    invariant(expected !== undefined && equalBytes(hash.digest(), expected), "the piece is right");
    hash = createHash("sha256");
    piece += 1;
    leftBytes = pieces[piece]?.sizeBytes ?? 0;
  }
}

function write(): void {
  writeSync(fd, gathered, 0, gatheredBytes, writtenBytes);
  writtenBytes += gatheredBytes;
  gatheredBytes = 0;
}
