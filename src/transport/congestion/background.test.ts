import { describe, expect, test } from "vitest";
import { EndpointPair } from "../../../test/simulation/fixtures/endpoint-pair.ts";
import { MS, SECOND } from "../../base/units.ts";
import { type Crypto, TAG_BYTES } from "../../effects/crypto.ts";
import { background } from "./background.ts";
import { controllerContract } from "./controller.contract.ts";

describe("background", () => {
  controllerContract(background);
});

test.each([
  { mbit: 10, delayUs: 15 * MS, fromS: 2, seconds: 15 },
  { mbit: 50, delayUs: 15 * MS, fromS: 2, seconds: 6 },
  { mbit: 10, delayUs: 50 * MS, fromS: 3, seconds: 15 },
])("alone on a line of $mbit Mbit/s and $delayUs us it fills it with a short queue", (line) => {
  const { utilisation, queueUs } = transfer(line);

  expect(utilisation).toBeGreaterThanOrEqual(0.95);
  expect(queueUs).toBeLessThanOrEqual(15 * MS);
});

test("the queue does not grow from minute to minute as the empty path is forgotten", () => {
  const { queueUs } = transfer({ mbit: 2, delayUs: 2 * MS, fromS: 185, seconds: 200 });

  expect(queueUs).toBeLessThanOrEqual(25 * MS);
});

/** One transfer over a line with a queue of 200 ms; the first `fromS` seconds do not count. */
function transfer(line: {
  readonly mbit: number;
  readonly delayUs: number;
  readonly fromS: number;
  readonly seconds: number;
}) {
  const rate = (line.mbit * 1e6) / 8;
  const pair = new EndpointPair(
    line.mbit,
    {
      delayUs: line.delayUs,
      rate,
      queueBytes: rate / 5,
      lossPercent: 0,
      duplicatePercent: 0,
      jitterUs: 0,
    },
    untagged,
  );
  pair.bringUp();
  pair.recording = false;
  for (const end of [0, 1] as const) {
    pair.endpoints[end].useProtocol(pair.association(end), "background");
  }
  const data = new Uint8Array(60_000);
  for (let sent = 0; sent < 1.1 * rate * line.seconds; sent += data.length) {
    const block = { requestId: 1, offsetBytes: 0, data };
    pair.endpoints[0].sendBlock(pair.world.nowUs, pair.association(0), block, pair.outbox(0));
  }
  pair.run(line.fromS);
  const settledAtUs = pair.world.nowUs;
  const before = pair.links[0].carriedBytes;
  pair.run(line.seconds - line.fromS);
  const carried = pair.links[0].carriedBytes - before;
  const waits = pair.links[0].waits
    .filter(({ atUs }) => atUs >= settledAtUs)
    .map(({ waitUs }) => waitUs)
    .sort((a, b) => a - b);
  return {
    utilisation: (carried * SECOND) / (pair.world.nowUs - settledAtUs) / rate,
    queueUs: waits[Math.floor(0.95 * waits.length)] ?? Number.NaN,
  };
}

/** Sealing that costs nothing: nobody attacks this line. */
function untagged(crypto: Crypto): Crypto {
  return {
    ...crypto,
    seal: (_key, _nonce, _aad, plaintext) => {
      const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
      sealed.set(plaintext);
      return sealed;
    },
    open: (_key, _nonce, _aad, sealed) => sealed.slice(0, sealed.length - TAG_BYTES),
  };
}
