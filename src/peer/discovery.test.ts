import fc from "fast-check";
import { expect, test } from "vitest";
import { toHex } from "../base/hex.ts";
import type { ContentId, DeviceId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { MS, SECOND } from "../base/units.ts";
import type { Crypto } from "../effects/crypto.ts";
import { nodeCrypto } from "../runtime/crypto.ts";
import { toyCrypto } from "../sim/toy-crypto.ts";
import { ANSWER_BYTES, QUESTION_BYTES } from "../wire/discovery.ts";
import type { OfficeType } from "../wire/messages.ts";
import { DISCOVERED_MAX, DISCOVERED_US, WITNESSES_MAX } from "./discovered.ts";
import {
  ANSWER_DELAY_US_MAX,
  ANSWERED_MAX,
  ANSWERERS,
  ANSWERS_PER_S_MAX,
  QUESTION_US_MAX,
  QUESTION_US_MIN,
} from "./discovery.ts";
import { HOP_US, idOf, Lan, NOBODY, type Sent, type Station } from "./test-lan.ts";

const CONTENT = "c0".repeat(32) as ContentId;
const OTHER_CONTENT = "c1".repeat(32) as ContentId;

test("DI11: a device that has just come to its office finds out who of it is on its LAN", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2", "10.1.1.3"]);

  lan.run(5 * SECOND);

  const [a, b, c] = lan.stations;
  expect(heard(a)).toEqual([b?.id, c?.id]);
  expect(heard(c)).toEqual([a?.id, b?.id]);
  expect(a?.events).toContainEqual({
    kind: "device-discovered",
    deviceId: b?.id,
    host: "10.1.1.2",
  });
  expect(a?.core.discovered.get(b?.id ?? NOBODY)).toMatchObject({
    host: "10.1.1.2",
    portOffset: 2,
    singlePort: undefined,
  });
});

test("DI1, DI2: golden bytes of a question and of its answer", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"], { crypto: fixed(nodeCrypto) });
  lan.stations[0]?.want(CONTENT);
  lan.stations[1]?.want(CONTENT);
  lan.stations[1]?.assign({ type: "wifi" });

  lan.run(SECOND);

  const sha256 = (bytes = NOTHING): string => toHex(nodeCrypto.sha256(bytes));
  const question = lan.questions.find(({ from }) => from.host === "10.1.1.1")?.bytes;
  const answer = lan.answers.find(({ from }) => from.host === "10.1.1.2")?.bytes;
  expect(toHex((question ?? NOTHING).subarray(0, 31))).toBe(GOLDEN.question);
  expect(sha256(question)).toBe(GOLDEN.questionHash);
  expect(toHex(answer ?? NOTHING)).toBe(GOLDEN.answer);
});

test("DI3: every answer is shorter than every question", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2", "10.1.1.3"]);

  lan.run(5 * SECOND);

  expect(new Set(lan.questions.map(({ bytes }) => bytes.length))).toEqual(
    new Set([QUESTION_BYTES]),
  );
  expect(new Set(lan.answers.map(({ bytes }) => bytes.length))).toEqual(new Set([ANSWER_BYTES]));
});

test("DI4: neither the id of a device nor that of a content is on the wire, nor the same twice", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"], { crypto: nodeCrypto });
  for (const station of lan.stations) {
    station.away = true;
    station.want(CONTENT);
  }

  lan.run(60 * SECOND);

  const said = [...lan.questions, ...lan.answers].map(({ bytes }) => toHex(bytes));
  expect(said.length).toBeGreaterThan(10);
  for (const secret of [...lan.stations.map(({ id }) => id as string), CONTENT.slice(0, 32)]) {
    expect(said.filter((text) => text.includes(secret))).toEqual([]);
  }
  expect(new Set(said.map((text) => text.slice(46, 78))).size).toBe(said.length);
});

test.each<[OfficeType, boolean, boolean]>([
  ["default", true, true],
  ["vpn", true, false],
  ["wifi", false, true],
])("DI10: a device of a %s office asks: %s, and answers: %s", (type, asks, answers) => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"]);
  lan.stations[1]?.assign({ type });
  for (const station of lan.stations) station.away = true;

  lan.run(60 * SECOND);

  const its = ({ from }: Sent): boolean => from.host === "10.1.1.2";
  expect(lan.questions.some(its)).toBe(asks);
  expect(lan.answers.some(its)).toBe(answers);
});

test("DI8: an answer comes after a random time of at most 65 ms", () => {
  const hosts = Array.from({ length: 30 }, (_, index) => `10.1.1.${index + 1}`);
  const lan = lanOf(hosts);
  for (const station of lan.stations.slice(1)) station.assign({ type: "wifi" });

  lan.run(SECOND);

  const [question] = lan.questions;
  const delays = lan.answers.map(({ atUs }) => atUs - (question?.atUs ?? 0));
  expect(delays.length).toBe(29);
  expect(Math.max(...delays)).toBeLessThanOrEqual(ANSWER_DELAY_US_MAX + HOP_US);
  expect(Math.max(...delays)).toBeGreaterThan(ANSWER_DELAY_US_MAX / 2);
  expect(new Set(delays).size).toBeGreaterThan(20);
});

test("DI9: a device gives at most 10 answers a second, whoever asks", () => {
  const lan = lanOf(["10.1.1.1", ...Array.from({ length: 40 }, (_, n) => `10.1.1.${n + 2}`)]);
  const [first] = lan.stations;

  lan.run(30 * SECOND);

  const times = lan.answers.filter(({ from }) => from.host === "10.1.1.1").map(({ atUs }) => atUs);
  expect(times.length).toBeGreaterThan(ANSWERS_PER_S_MAX);
  for (const atUs of times) {
    const within = times.filter((other) => other >= atUs && other < atUs + SECOND);
    // What was planned within a second may be sent within a little less.
    expect(within.length).toBeLessThanOrEqual(2 * ANSWERS_PER_S_MAX);
  }
  expect(times.length).toBeLessThanOrEqual(ANSWERS_PER_S_MAX * 31);
  expect(first?.discovery.counters.discoveryLimited).toBeGreaterThan(0);
});

test("DI9: of a large office chance has about 64 devices answer", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"], { members: 640 });
  lan.stations[1]?.assign({ type: "wifi", members: 640 });
  const [a] = lan.stations;

  let asked = 0;
  for (let round = 0; round < 400; round += 1) {
    a?.assign({ name: `Office ${round}`, members: 640 });
    lan.stations[1]?.assign({ name: `Office ${round}`, type: "wifi", members: 640 });
    lan.run(15 * SECOND);
    asked = lan.questions.length;
  }

  const share = lan.answers.length / asked;
  expect(share).toBeGreaterThan(0.5 * (ANSWERERS / 640));
  expect(share).toBeLessThan(2 * (ANSWERERS / 640));
});

test("DI12: while the server is away a device asks again and again, ever more rarely", () => {
  const lan = lanOf(["10.1.1.1"]);
  const [a] = lan.stations;
  if (a !== undefined) a.away = true;

  lan.run(600 * SECOND);

  const times = lan.questions.map(({ atUs }) => atUs);
  const gaps = times.slice(1).map((atUs, index) => atUs - (times[index] ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(QUESTION_US_MIN);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(QUESTION_US_MAX + MS);
  expect(gaps.length).toBeGreaterThanOrEqual(600 / 30 - 1);
  for (const gap of gaps.slice(6)) expect(gap).toBeGreaterThanOrEqual(QUESTION_US_MAX / 2);
});

test("DI11: a device that has its server and is answered asks nothing more", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"]);
  lan.run(30 * SECOND);
  const before = lan.questions.length;

  lan.run(600 * SECOND);

  expect(before).toBeGreaterThan(0);
  expect(lan.questions.length).toBe(before);
});

test("DI11: a device to which nobody answers gives up after five questions", () => {
  const lan = lanOf(["10.1.1.1"]);

  lan.run(600 * SECOND);

  expect(lan.questions.length).toBe(5);
});

test("DI11: a device asks when it is to have a content that no linked office mate has", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2", "10.1.1.3"]);
  const [a, b, c] = lan.stations;
  lan.run(60 * SECOND);
  const before = lan.questions.length;
  b?.want(OTHER_CONTENT);
  b?.want("c2".repeat(32) as ContentId);

  a?.want(CONTENT);
  a?.want(OTHER_CONTENT);
  lan.run(3 * SECOND);

  expect(lan.questions.length).toBeGreaterThan(before);
  expect(a?.core.discovered.get(b?.id ?? NOBODY)?.contents).toEqual([OTHER_CONTENT]);
  expect(a?.core.discovered.get(c?.id ?? NOBODY)?.contents).toEqual([]);
});

test("DI11: a device does not ask for what an office mate that it is linked up with has", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"]);
  const [a, b] = lan.stations;
  lan.run(60 * SECOND);
  const before = lan.questions.length;

  a?.linkUp(b?.id ?? NOBODY, CONTENT);
  a?.want(CONTENT);
  lan.run(60 * SECOND);

  expect(lan.questions.length).toBe(before);
});

test("DI12: new contents are asked for soon, and never two questions within 2 s", () => {
  const lan = lanOf(["10.1.1.1"]);
  const [a] = lan.stations;
  for (let index = 0; index < 100; index += 1) {
    a?.want(index.toString(16).padStart(64, "0") as ContentId, -index);
    lan.run(SECOND / 2);
  }

  const times = lan.questions.map(({ atUs }) => atUs);
  const gaps = times.slice(1).map((atUs, index) => atUs - (times[index] ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(QUESTION_US_MIN);
  expect(Math.max(...gaps)).toBeLessThan(2 * QUESTION_US_MIN);
});

test("DI5: whoever has another office's key is neither answered nor believed", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"]);
  const [a, b] = lan.stations;
  b?.assign({ key: new Uint8Array(32).fill(9) });

  lan.run(10 * SECOND);

  expect(lan.questions.length).toBeGreaterThan(1);
  expect(lan.answers).toEqual([]);
  expect(a?.discovery.counters.discoveryUnproven).toBeGreaterThan(0);
});

test("DI5: a key of zeros, which everybody knows, is none", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"]);
  for (const station of lan.stations) station.assign({ key: new Uint8Array(32) });

  lan.run(60 * SECOND);

  expect(lan.questions).toEqual([]);
});

test("DI5: what comes from outside the office's subnets is dropped", () => {
  const lan = lanOf(["10.1.1.1", "10.2.1.2"]);
  const [a] = lan.stations;

  lan.run(10 * SECOND);

  expect(lan.answers.filter(({ from }) => from.host === a?.host)).toEqual([]);
  expect(a?.core.discovered.size).toBe(0);
  expect(a?.discovery.counters.discoveryElsewhere).toBeGreaterThan(1);
});

test("DI5: a link-local address of IPv6 is on our own link", () => {
  const lan = lanOf(["fe80::1%eth0", "febf::2%eth0", "fec0::3"]);
  const [a, b] = lan.stations;

  lan.run(10 * SECOND);

  expect(heard(a)).toEqual([b?.id]);
});

test("DI9: a question that somebody repeats is answered once", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"]);
  const [a, b] = lan.stations;
  lan.run(10 * SECOND);
  const [question] = lan.questions.filter(({ from }) => from.host === a?.host);
  const before = lan.answers.length;

  b?.hear(lan.nowUs, { host: "10.1.1.77", port: 9 }, question?.bytes);
  lan.run(10 * SECOND);

  expect(lan.answers.length).toBe(before);
  expect(b?.discovery.counters.discoveryRepeated).toBe(1);
});

test("DI13: an answer counts for the question that was just asked, and for no other", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"]);
  const [a] = lan.stations;
  lan.run(SECOND);
  const [answer] = lan.answers.filter(({ from }) => from.host === "10.1.1.2");
  const asked = lan.questions.length;
  a?.assign({ name: "Another" });
  lan.stations.splice(1);

  lan.run(QUESTION_US_MIN);
  expect(lan.questions.length).toBe(asked + 1);
  a?.hear(lan.nowUs, { host: "10.1.1.66", port: 34_329 }, answer?.bytes);
  lan.run(60 * SECOND);
  a?.hear(lan.nowUs, { host: "10.1.1.66", port: 34_329 }, answer?.bytes);

  expect(a?.core.discovered.size).toBe(0);
  expect(a?.discovery.counters.discoveryUnasked).toBe(2);
});

test("DI13: a device that no longer answers is forgotten after 60 s", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"]);
  const [a] = lan.stations;
  lan.run(5 * SECOND);
  lan.stations.splice(1);

  lan.run(DISCOVERED_US - 6 * SECOND);
  expect(a?.core.witnesses().length).toBe(1);
  lan.run(7 * SECOND);

  expect(a?.core.witnesses()).toEqual([]);
});

test("DI13: 256 devices are remembered, and the 8 heard last named as witnesses", () => {
  const { core } = lanOf(["10.1.1.1"]).stations[0] ?? {};
  const device = { host: "10.1.1.2", portOffset: 0, singlePort: undefined, contents: [] };
  for (let index = 0; index < 300; index += 1) {
    core?.discovered.heard(idOf(index), { ...device, heardAtUs: index });
  }

  expect(core?.discovered.size).toBe(DISCOVERED_MAX);
  expect(core?.discovered.has(idOf(43))).toBe(false);
  expect(core?.witnesses().length).toBe(WITNESSES_MAX);
  expect(core?.witnesses()[0]).toBe(idOf(299));
});

test("the first device that answers is told of once", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2", "10.1.1.3"]);
  const [a] = lan.stations;
  if (a !== undefined) a.away = true;

  lan.run(300 * SECOND);

  expect(a?.firsts).toBe(1);
});

test("DI11: after a move the device asks again, and whom it heard elsewhere is forgotten", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"]);
  const [a] = lan.stations;
  lan.run(60 * SECOND);
  const before = lan.questions.length;
  lan.stations.splice(1);

  if (a !== undefined) a.core.hosts = ["10.1.1.9"];
  lan.run(3 * SECOND);

  expect(lan.questions.length).toBeGreaterThan(before);
  expect(a?.core.discovered.size).toBe(0);
});

test("DI14: a device that the server places nowhere looks for a witness of its last office", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"]);
  const [a, b] = lan.stations;
  lan.run(60 * SECOND);

  a?.displace();
  a?.displace();
  lan.run(3 * SECOND);

  expect(a?.core.witnesses()).toEqual([b?.id]);
  expect(a?.firsts).toBe(2);
});

test("what is remembered of questions is bounded", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"]);
  const [a, b] = lan.stations;
  lan.run(SECOND);
  const [question] = lan.questions.filter(({ from }) => from.host === a?.host);
  for (let asked = 0; asked < ANSWERED_MAX; asked += 1) {
    a?.assign({ name: `Office ${asked}` });
    lan.run(3 * SECOND);
  }

  // So much later it is answered anew: not remembering it is the price of the bound.
  const before = lan.answers.length;
  b?.hear(lan.nowUs, { host: "10.1.1.1", port: 34_329 }, question?.bytes);
  lan.run(SECOND);

  expect(b?.discovery.counters.discoveryRepeated).toBe(0);
  expect(lan.answers.length).toBe(before + 1);
});

test("DG2: nothing that a stranger sends has any effect but to be counted", () => {
  const lan = lanOf(["10.1.1.1", "10.1.1.2"], { crypto: nodeCrypto });
  const [a] = lan.stations;
  lan.run(SECOND);
  const seen = [...lan.questions, ...lan.answers].map(({ bytes }) => bytes);
  const answers = lan.answers.length;
  const before = a?.core.discovered.entries();
  const counted = (): number =>
    Object.values(a?.discovery.counters ?? {}).reduce((sum, count) => sum + count, 0);

  const altered = fc
    .tuple(fc.constantFrom(...seen), fc.nat(), fc.integer({ min: 1, max: 255 }))
    .map(([bytes, at, flip]) => bytes.map((b, i) => (i === at % bytes.length ? b ^ flip : b)));
  let sent = 0;
  const base = counted();
  fc.assert(
    fc.property(fc.oneof(altered, fc.uint8Array({ maxLength: 700 })), (bytes) => {
      a?.hear(lan.nowUs, { host: "10.1.1.200", port: 7 }, bytes);
      sent += 1;
      expect(counted()).toBe(base + sent);
    }),
    { numRuns: 2_000 },
  );
  lan.run(SECOND);

  expect(lan.answers.length).toBe(answers);
  expect(a?.core.discovered.entries()).toEqual(before);
});

const NOTHING: Uint8Array = new Uint8Array(0);

/** Computed by other means than ours. */
const GOLDEN = {
  question: "0a00000000040107070707070707070707070707070707124ea903aebc266f",
  questionHash: "1f21e424869396758c52c972e825279ff993dc7df4a208460a532fca4fb0eb61",
  answer: "0a0000000005010707070707070707070707070707070707070707070707070707070707070707".concat(
    "fef988d71267821dfd1cafceb7c5c323bc5f5cc73092032ba273ad2882bfccbe91f89834f67d9ae4",
  ),
};

function lanOf(hosts: readonly string[], options: { crypto?: Crypto; members?: number } = {}): Lan {
  return new Lan(hosts, { crypto: toyCrypto(new Prng(1)), ...options });
}

/** Crypto without chance, so that what is sealed is the same in every run. */
function fixed(crypto: Crypto): Crypto {
  return { ...crypto, randomBytes: (length) => new Uint8Array(length).fill(7) };
}

function heard(station: Station | undefined): readonly DeviceId[] {
  return (station?.core.discovered.entries() ?? []).map(([deviceId]) => deviceId).sort();
}
