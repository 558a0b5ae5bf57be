import { describe, expect, test } from "vitest";
import { toHex } from "../base/hex.ts";
import { branchCacheCrypto as crypto } from "../peerdist/node-crypto.ts";
import { encodeProbe, uuidUrn } from "./discovery-message.ts";
import {
  DiscoveryProber,
  type DiscoveryProberOutput,
  PROBE_AGAIN_US,
  PROBE_WAIT_US,
} from "./discovery-prober.ts";
import {
  ANSWERS_WAITING_MAX,
  ANSWERS_WAITING_PER_HOST,
  DiscoveryResponder,
  type DiscoveryResponderOutput,
} from "./discovery-responder.ts";
import { TestCache, testContent } from "./test-world.ts";

const PROBER = { host: "10.0.0.1", port: 50_001 };
const OWN = { host: "10.0.0.2", port: 8_009 };

describe.each([
  { version: 1, content: testContent(crypto, 1, 3 * 65_536) },
  { version: 2, content: testContent(crypto, 2, 3 * 131_072) },
] as const)("version $version", ({ version, content }) => {
  const cache = new TestCache();
  cache.fill(content, (segmentIndex) => segmentIndex === 0);
  const ids = [new Uint8Array(32), ...content.segments.map(({ id }) => id)];

  test("PD5 to PD8, PD10: a prober finds who holds segments, after a delay of up to 65 ms", () => {
    const prober = newProber();
    const responder = newResponder(cache);
    const [probe] = ask(prober, 0, { question: 7, version, segmentIds: ids });
    if (probe?.kind !== "multicast") throw new Error("nothing was asked");
    hear(responder, 0, probe.bytes);
    const dueUs = responder.due().atUs;
    const [answer] = fire(responder, dueUs);
    const found: DiscoveryProberOutput[] = [];
    prober.step(
      dueUs,
      { kind: "datagram", bytes: answer?.bytes ?? new Uint8Array(0), from: OWN },
      found,
    );

    expect(dueUs).toBeGreaterThanOrEqual(1_000);
    expect(dueUs).toBeLessThanOrEqual(65_000);
    expect(answer?.to).toEqual(PROBER);
    const isComplete = version === 2;
    const segments = [{ index: 1, isComplete }];
    expect(found).toEqual([{ kind: "found", question: 7, place: OWN, segments }]);
    expect(fire(responder, 1e9)).toEqual([]);
  });

  test("PD8: who holds nothing that was asked for keeps silent", () => {
    const responder = newResponder(new TestCache());
    hear(
      responder,
      0,
      encodeProbe({ version, messageId: uuidUrn(crypto.randomBytes(16)), segmentIds: ids }),
    );

    expect(fire(responder, 1e9)).toEqual([]);
  });

  test("PD11: the same question is answered once while it waits, and again when it comes again", () => {
    const responder = newResponder(cache);
    const probe = encodeProbe({ version, messageId: "urn:uuid:1", segmentIds: ids });
    hear(responder, 0, probe);
    hear(responder, 500, probe);

    expect(fire(responder, 100_000)).toHaveLength(1);
    hear(responder, 200_000, probe);
    expect(fire(responder, 300_000)).toHaveLength(1);
  });

  test("PD12: where ten others have a segment a third of the questions is answered, none if they have all of it", () => {
    const known = new TestCache();
    known.fill(content, (segmentIndex) => segmentIndex === 0);
    const answersOf = (others: { any: number; complete: number }) => {
      known.others = others;
      const responder = newResponder(known);
      let answers = 0;
      for (let count = 0; count < 600; count += 1) {
        const messageId = `urn:uuid:${count}`;
        hear(responder, count * 1e6, encodeProbe({ version, messageId, segmentIds: ids }));
        answers += fire(responder, count * 1e6 + 1e5).length;
      }
      return answers;
    };

    expect(answersOf({ any: 9, complete: 9 })).toBe(600);
    expect(answersOf({ any: 10, complete: 9 })).toBeGreaterThan(150);
    expect(answersOf({ any: 10, complete: 9 })).toBeLessThan(250);
    expect(answersOf({ any: 10, complete: 10 })).toBe(0);
  });
});

describe("the bounds of a responder", () => {
  const content = testContent(crypto, 1, 65_536);
  const cache = new TestCache();
  cache.fill(content, () => true);
  const segmentIds = content.segments.map(({ id }) => id);

  test("PD13: one host, and all together, have so many answers waiting and no more", () => {
    const responder = newResponder(cache);
    const flood = (hosts: number, each: number) => {
      for (let host = 0; host < hosts; host += 1) {
        for (let count = 0; count < each; count += 1) {
          const bytes = encodeProbe({ version: 1, messageId: `urn:uuid:${count}`, segmentIds });
          hear(responder, 0, bytes, { host: `10.0.1.${host}`, port: 4_000 });
        }
      }
      return fire(responder, 1e9).length;
    };

    expect(flood(1, 100)).toBe(ANSWERS_WAITING_PER_HOST);
    expect(flood(50, 20)).toBe(ANSWERS_WAITING_MAX);
  });

  test("PD10: the same seed draws the same delays, and delays differ", () => {
    const delays = (seed: number) => {
      const responder = new DiscoveryResponder(crypto, cache, { startedS: 1, seed });
      return Array.from({ length: 20 }, (_, count) => {
        const nowUs = count * 1e6;
        hear(
          responder,
          nowUs,
          encodeProbe({ version: 1, messageId: `urn:uuid:${count}`, segmentIds }),
        );
        const dueUs = responder.due().atUs - nowUs;
        fire(responder, nowUs + 1e5);
        return dueUs;
      });
    };

    expect(delays(1)).toEqual(delays(1));
    expect(new Set(delays(2)).size).toBeGreaterThan(10);
  });
});

describe("a prober", () => {
  const content = testContent(crypto, 1, 65_536);
  const segmentIds = content.segments.map(({ id }) => id);
  const cache = new TestCache();
  cache.fill(content, () => true);

  test("PD14: asks once more where nobody answers, with the same id, and then gives up", () => {
    const prober = newProber();
    const first = ask(prober, 0, { question: 1, version: 1, segmentIds });

    expect(prober.due().atUs).toBe(PROBE_AGAIN_US);
    expect(tick(prober, PROBE_AGAIN_US)).toEqual(first);
    expect(tick(prober, PROBE_AGAIN_US + 1)).toEqual([]);
    expect(tick(prober, PROBE_WAIT_US)).toEqual([{ kind: "ended", question: 1 }]);
    expect(prober.due().atUs).toBe(Number.POSITIVE_INFINITY);
  });

  test("PD15: reads nothing that answers no question of its own, or too late, or from elsewhere", () => {
    const prober = newProber();
    const responder = newResponder(cache);
    const [probe] = ask(prober, 0, { question: 1, version: 1, segmentIds });
    if (probe?.kind !== "multicast") throw new Error("nothing was asked");
    hear(responder, 0, probe.bytes);
    const [answer] = fire(responder, 1e5);
    const bytes = answer?.bytes ?? new Uint8Array(0);
    const outbox: DiscoveryProberOutput[] = [];
    newProber().step(1, { kind: "datagram", bytes, from: OWN }, outbox);
    prober.step(1, { kind: "datagram", bytes: probe.bytes, from: OWN }, outbox);
    const strict = new DiscoveryProber(crypto, { waitUs: PROBE_WAIT_US, isLocal: () => false });
    ask(strict, 0, { question: 1, version: 1, segmentIds });
    strict.step(1, { kind: "datagram", bytes, from: OWN }, outbox);
    tick(prober, PROBE_WAIT_US);
    prober.step(PROBE_WAIT_US, { kind: "datagram", bytes, from: OWN }, outbox);

    expect(outbox).toEqual([]);
  });

  test("PD16: an address of another subnet is not taken, whoever names it", () => {
    const far = { host: "192.0.2.1", port: 80 };
    const prober = newProber((place) => place.host.startsWith("10."));
    const responder = newResponder(cache);
    const [probe] = ask(prober, 0, { question: 1, version: 1, segmentIds });
    if (probe?.kind !== "multicast") throw new Error("nothing was asked");
    responder.step(0, { kind: "datagram", bytes: probe.bytes, from: PROBER, own: far }, []);
    const outbox: DiscoveryProberOutput[] = [];
    for (const { bytes } of fire(responder, 1e5)) {
      prober.step(1e5, { kind: "datagram", bytes, from: OWN }, outbox);
    }

    expect(outbox).toEqual([]);
    expect(toHex(segmentIds[0] ?? new Uint8Array(0))).toHaveLength(64);
  });
});

function newProber(isLocal: (place: { host: string }) => boolean = () => true): DiscoveryProber {
  return new DiscoveryProber(crypto, { waitUs: PROBE_WAIT_US, isLocal });
}

function newResponder(cache: TestCache): DiscoveryResponder {
  return new DiscoveryResponder(crypto, cache, { startedS: 1_700_000_000, seed: 3 });
}

function ask(
  prober: DiscoveryProber,
  nowUs: number,
  question: { question: number; version: 1 | 2; segmentIds: readonly Uint8Array[] },
): readonly DiscoveryProberOutput[] {
  const outbox: DiscoveryProberOutput[] = [];
  prober.step(nowUs, { kind: "ask", ...question }, outbox);
  return outbox;
}

function tick(prober: DiscoveryProber, nowUs: number): readonly DiscoveryProberOutput[] {
  const outbox: DiscoveryProberOutput[] = [];
  prober.step(nowUs, { kind: "timer" }, outbox);
  return outbox;
}

function hear(
  responder: DiscoveryResponder,
  nowUs: number,
  bytes: Uint8Array,
  from = PROBER,
): void {
  responder.step(nowUs, { kind: "datagram", bytes, from, own: OWN }, []);
}

function fire(responder: DiscoveryResponder, nowUs: number): readonly DiscoveryResponderOutput[] {
  const outbox: DiscoveryResponderOutput[] = [];
  responder.step(nowUs, { kind: "timer" }, outbox);
  return outbox;
}
