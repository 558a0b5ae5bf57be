// Sends over TCP without an end: tcp-send.ts ADDRESS PORT. Stops at once when standard input ends.

import { connect } from "node:net";

const BLOCK_BYTES = 64 * 1024;

const [host = "", port = ""] = process.argv.slice(2);
const block = new Uint8Array(BLOCK_BYTES);
const socket = connect(Number(port), host);
const write = (): void => {
  while (socket.write(block));
};
socket.on("connect", write).on("drain", write);
process.stdin.resume().on("end", () => {
  // What the system still has to send is not sent any more.
  socket.resetAndDestroy();
});
