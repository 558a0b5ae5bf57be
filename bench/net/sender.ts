// Sends datagrams at a rate, whatever becomes of them: sender.ts ADDRESS PORT BYTES BITS_PER_S SECONDS.
// Writes how many it has sent.
import { createSocket } from "node:dgram";

/** How often it sends, in milliseconds. */
const TICK_MS = 5;

const [host = "", ...numbers] = process.argv.slice(2);
const [port = 0, bytes = 0, bitsPerS = 0, seconds = 0] = numbers.map(Number);
const socket = createSocket("udp4");
const datagram = new Uint8Array(bytes);
const total = Math.ceil((bitsPerS * seconds) / 8 / bytes);
const startedMs = performance.now();
let sent = 0;

const timer = setInterval(() => {
  const due = Math.min(total, (total * (performance.now() - startedMs)) / (1000 * seconds));
  for (; sent < due; sent += 1) socket.send(datagram, port, host);
  if (sent < total) return;
  clearInterval(timer);
  // Closing waits for what the system has not yet taken.
  socket.close(() => process.stdout.write(`${sent}\n`));
}, TICK_MS);
