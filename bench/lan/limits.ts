// Measures what nobody who receives can go without, each by itself and at its best:
// limits.ts FILE. Writes the rates, in MB (10^6 bytes) for each second of processor time.

import { randomBytes } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { sha256 } from "../../src/agent/store/disk.ts";
import { invariant } from "../../src/base/invariant.ts";
import { KIB, MIB } from "../../src/base/units.ts";
import { KEY_BYTES, NONCE_BYTES } from "../../src/effects/crypto.ts";
import { fastestCrypto } from "../../src/runtime/crypto.ts";
import { nativeUdp } from "../../src/runtime/udp-native.ts";
import { RECORD_BYTES_MAX } from "../../src/transport/constants.ts";
import { preallocate } from "./content.ts";

/** The rates. `groReceive` is absent where the system's own sockets are not to be had. */
export type Limits = {
  readonly gcmOpen: number;
  readonly sha256: number;
  readonly write: number;
  readonly groReceive?: number;
};

/** How long each is measured at least, and how often it is done before, to get warm. */
const MEASURE_MS = 1_000;
const WARM_TIMES = 50;

/** A piece as the chunker cuts it on average. */
const PIECE_BYTES = 256 * KIB;

/** Where the file that is written begins again. */
const FILE_BYTES = 256 * MIB;

/** A train as the transport sends them, and how many the system's own buffer has room for. */
const DATAGRAM_BYTES = 1_472;
const TRAIN_BYTES = 42 * DATAGRAM_BYTES;
const TRAINS = 2;

/** Only this namespace sees the ports. */
const [FROM_PORT, TO_PORT] = [5_311, 5_312];
const HERE = "127.0.0.1";

const [path = ""] = process.argv.slice(2);
const limits: Limits = {
  gcmOpen: await gcmOpenRate(),
  sha256: sha256Rate(),
  write: await writeRate(path),
  ...(await groReceiveRate()),
};
process.stdout.write(`${JSON.stringify(limits)}\n`);

async function gcmOpenRate(): Promise<number> {
  const crypto = await fastestCrypto();
  const [key, nonce] = [randomBytes(KEY_BYTES), randomBytes(NONCE_BYTES)];
  const [aad, plaintext] = [randomBytes(16), randomBytes(RECORD_BYTES_MAX)];
  const sealed = crypto.seal(key, nonce, aad, plaintext).slice();
  const into = new Uint8Array(RECORD_BYTES_MAX);
  return rate(() => {
    invariant(crypto.open(key, nonce, aad, sealed, into) !== undefined, "the tag fits");
    return RECORD_BYTES_MAX;
  });
}

function sha256Rate(): number {
  const piece = randomBytes(PIECE_BYTES);
  return rate(() => {
    sha256(piece);
    return PIECE_BYTES;
  });
}

async function writeRate(file: string): Promise<number> {
  await preallocate(file, FILE_BYTES);
  const fd = openSync(file, "r+");
  const piece = randomBytes(PIECE_BYTES);
  let at = 0;
  const mbPerS = rate(() => {
    writeSync(fd, piece, 0, PIECE_BYTES, at);
    at = (at + PIECE_BYTES) % FILE_BYTES;
    return PIECE_BYTES;
  });
  closeSync(fd);
  return mbPerS;
}

/** What is in the socket already is taken out of it, joined, into memory that is used again. */
async function groReceiveRate(): Promise<Pick<Limits, "groReceive">> {
  const native = await nativeUdp();
  const from = native?.open({ address: HERE, port: FROM_PORT, joined: false, timed: false });
  const to = native?.open({ address: HERE, port: TO_PORT, joined: true, timed: false });
  if (from === undefined || to === undefined) return {};
  const target = { host: HERE, port: TO_PORT };
  const train = randomBytes(TRAIN_BYTES);
  const groReceive = rate(
    () => to.receive().reduce((sum, { bytes }) => sum + bytes.length, 0),
    () => {
      for (let sent = 0; sent < TRAINS; sent += 1) from.send(target, train, DATAGRAM_BYTES, true);
    },
  );
  return { groReceive };
}

/**
 * How fast something goes. It does not wait, so its time is the processor's.
 *
 * @param act - Gives how many bytes it has done. @param prepare - Is not measured.
 */
function rate(act: () => number, prepare: () => void = () => {}): number {
  for (let count = 0; count < WARM_TIMES; count += 1) {
    prepare();
    act();
  }
  let [bytes, ms] = [0, 0];
  while (ms < MEASURE_MS) {
    prepare();
    const startedMs = performance.now();
    bytes += act();
    ms += performance.now() - startedMs;
  }
  return Math.round(bytes / ms / 1_000);
}
