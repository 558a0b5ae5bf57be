import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { cutRecord } from "./record-image.ts";
import { SentPackets } from "./sent-packets.ts";

test.each([
  ["few", 5],
  ["more than there was room for at first", 2_000],
])("it knows what is under way, and the oldest of it, where that is %s", (_what, most) => {
  const prng = new Prng(most);
  const sent = new SentPackets();
  const model = new Map<number, Entry>();
  let next = 1;
  for (let step = 0; step < 20_000; step += 1) {
    // Numbers of the once lane lie between, and packets are let go of in almost any order.
    next += 1 + (prng.below(4) === 0 ? prng.below(20) : 0);
    const entry = { fragment: prng.below(40), atUs: step, appLimited: step % 2 === 0 };
    sent.add(next, { record: RECORD, ...entry });
    model.set(next, entry);
    while (model.size > most || (model.size > most / 2 && prng.below(3) === 0)) {
      const packet = [...model.keys()].at(prng.below(8)) ?? next;
      if (!model.delete(packet)) break;
      sent.delete(packet);
    }
  }

  expect(sent.size).toBe(model.size);
  expect(sent.oldest).toBe([...model.keys()][0] ?? sent.end);
  expect(underWay(sent)).toEqual(model);
});

type Entry = { readonly fragment: number; readonly atUs: number; readonly appLimited: boolean };

/** Everything that is under way, by its number. */
function underWay(sent: SentPackets): Map<number, Entry> {
  const found = new Map<number, Entry>();
  for (let packet = 0; packet <= sent.end; packet += 1) {
    if (sent.recordOf(packet) === undefined) continue;
    found.set(packet, {
      fragment: sent.fragmentOf(packet),
      atUs: sent.atUsOf(packet),
      appLimited: sent.appLimitedOf(packet),
    });
  }
  return found;
}

const RECORD = cutRecord(
  { channel: 7, lane: "reliable", phase: 0, destination: 1, record: 0 },
  new Uint8Array(60_000),
  1_472,
);
