import { expect, test } from "vitest";
import { toHex } from "../base/hex.ts";
import { parseContentId, parseDeviceId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";
import { decodeMessage, encodeMessage, MESSAGE_BYTES_MAX, type Message } from "./messages.ts";

const CONTENT = parseContentId("ab".repeat(32)) ?? expect.fail();
const DEVICE = parseDeviceId("cd".repeat(16)) ?? expect.fail();

const FACTS = {
  freeBytes: 2 ** 40,
  usableBytes: 2 ** 33,
  preferred: true,
  desktop: false,
  serverOs: true,
  uptimeS: 86_400,
};

const PROFILE = {
  mode: { value: "hosted", profile: "Branches" },
  maxAgeDays: { value: 30, profile: "Base" },
  diskPercent: { value: 25 },
  minFreeMib: { value: 0, profile: "Base" },
  hostedCaches: { value: ["cache.example", "[2001:db8::1]:8080"], profile: "Branches" },
  ports: { value: { offset: 7, channels: [{ channel: 7, port: 40_000 }] }, profile: "Base" },
  preferred: { value: true, profile: "Base" },
} as const;

const EACH_KIND: { readonly [K in Message["kind"]]: Extract<Message, { kind: K }> } = {
  enrol: {
    kind: "enrol",
    securityKey: "KEY",
    request: Uint8Array.of(0x30),
    hostName: "pc-1",
    machineId: "m",
  },
  enrolled: {
    kind: "enrolled",
    deviceId: DEVICE,
    certificate: Uint8Array.of(1),
    authority: Uint8Array.of(2),
    organisation: "Example",
  },
  refused: { kind: "refused", code: "wrong-key", reason: "The key is wrong." },
  register: {
    kind: "register",
    productVersion: "0.1.0",
    hostName: "pc-1",
    hosts: ["192.0.2.1", "2001:db8::1"],
    portOffset: 0,
    facts: FACTS,
    bootId: 7,
    machineId: "m",
    witnesses: [DEVICE],
  },
  profile: { kind: "profile", epoch: 7, version: 3, values: PROFILE },
  "profile-report": { kind: "profile-report", values: PROFILE, problems: ["Port 1 is taken."] },
  progress: {
    kind: "progress",
    contentId: CONTENT,
    state: "checking",
    pieces: 10,
    piecesHeld: 9,
    sizeBytes: 2 ** 34,
    heldBytes: 2 ** 33,
    wanInBytes: 1,
    lanInBytes: 2,
    wanOutBytes: 3,
    lanOutBytes: 4,
    originInBytes: 5,
    farInBytes: [{ office: "Central", bytes: 1 }],
    rvp: true,
    problem: "",
    lineBusyMs: 60_000,
    cacheInBytes: 7,
    hostedInBytes: 8,
  },
  "publish-part": {
    kind: "publish-part",
    contentId: CONTENT,
    offsetBytes: 0,
    totalBytes: 3,
    data: Uint8Array.of(1, 2, 3),
  },
  published: { kind: "published", contentId: CONTENT },
  directory: {
    kind: "directory",
    epoch: 1,
    version: 2,
    office: "Branch",
    offices: [
      { name: "Central", type: "default", subnets: [] },
      { name: "Branch", parent: "Central", type: "wifi", subnets: ["192.0.2.0/24"] },
    ],
    members: [
      {
        deviceId: DEVICE,
        office: "Branch",
        hosts: ["192.0.2.1"],
        portOffset: 10,
        facts: FACTS,
        present: false,
      },
    ],
    officeKey: new Uint8Array(32).fill(7),
  },
  deployments: {
    kind: "deployments",
    epoch: 1,
    version: 2,
    deployments: [{ deploymentId: "d", contentId: CONTENT, priority: 5 }],
  },
  open: { kind: "open", handle: 1, tag: new Uint8Array(16) },
  holds: { kind: "holds", handle: 1, manifestBytes: 100, pieces: Uint8Array.of(0x80) },
  gained: { kind: "gained", handle: 1, pieces: [0, 0xff_ff_ff_ff] },
  unknown: { kind: "unknown", handle: 1 },
  request: {
    kind: "request",
    requestId: 1,
    handle: 2,
    target: "piece",
    piece: 3,
    offsetBytes: 4,
    lengthBytes: 5,
  },
  refusal: { kind: "refusal", requestId: 1, reason: "unreadable" },
  cancel: { kind: "cancel", requestId: 0xff_ff_ff_ff },
  renew: { kind: "renew", request: Uint8Array.of(0x30) },
  renewed: { kind: "renewed", certificate: Uint8Array.of(1) },
  claim: {
    kind: "claim",
    office: "Branch",
    term: 3,
    everyMs: 500,
    wants: true,
    broughtBytes: 2 ** 33,
  },
  mates: {
    kind: "mates",
    members: [
      {
        deviceId: DEVICE,
        office: "Branch",
        hosts: ["192.0.2.1"],
        portOffset: 0,
        facts: FACTS,
        present: true,
      },
    ],
  },
  doubt: { kind: "doubt", handle: 1, piece: 2 },
  accusation: {
    kind: "accusation",
    deviceId: DEVICE,
    contentId: CONTENT,
    offence: "broken-promise",
  },
  policy: {
    kind: "policy",
    epoch: 1,
    version: 2,
    origins: [{ kind: "storage", location: "/srv/packages" }],
    shunned: [DEVICE],
    keep: [CONTENT],
  },
  "manifest-wanted": { kind: "manifest-wanted", contentId: CONTENT },
  "manifest-part": {
    kind: "manifest-part",
    contentId: CONTENT,
    offsetBytes: 0,
    totalBytes: 3,
    data: Uint8Array.of(1, 2, 3),
  },
  "enrol-anew": {
    kind: "enrol-anew",
    request: Uint8Array.of(0x30),
    hostName: "pc-1",
    machineId: "m",
  },
  explain: { kind: "explain", questionId: 7, contentId: CONTENT, firstPiece: 0 },
  explanation: {
    kind: "explanation",
    questionId: 7,
    pieces: 3,
    sources: [{ kind: "origin", location: "https://cdn.example/" }, { kind: "unknown" }],
    reasons: ["no device has it"],
    ranges: [{ first: 0, last: 1, source: 0, reason: 0 }],
    totals: [{ source: 0, pieces: 2, bytes: 200 }],
  },
};

const ALL = Object.values(EACH_KIND) as readonly Message[];

test.each(ALL.map((message) => [message.kind, message] as const))(
  "MS4: a message of kind %s is read as it was written",
  (_kind, message) => {
    expect(decodeMessage(encodeMessage(message))).toEqual(message);
  },
);

test.each<readonly [Message["kind"], string]>([
  ["unknown", "820da10101"],
  ["cancel", "8210a1011affffffff"],
  ["refusal", "820fa201010202"],
  ["request", "820ea6010102020301040305040605"],
  ["gained", "820ca2010102820 01affffffff".replace(" ", "")],
  ["holds", "820ba30101021864034180"],
  ["open", `820aa20101025 0${"00".repeat(16)}`.replace(" ", "")],
  ["published", `8207a1015820${"ab".repeat(32)}`],
  ["refused", "8203a2016977726f6e672d6b65790271546865206b65792069732077726f6e672e"],
])("MS6: a message of kind %s lies in the stream as documented", (kind, hex) => {
  expect(toHex(encodeMessage(EACH_KIND[kind]))).toBe(hex);
});

test("MS6: every kind has a number of its own, from 1 on", () => {
  const numbers = ALL.map((message) => (decodeCbor(encodeMessage(message)) as [number])[0]);

  expect([...numbers].sort((a, b) => a - b)).toEqual(ALL.map((_, index) => index + 1));
});

test("MS5: fields that a later version adds are passed over, at every depth", () => {
  const withMore = (value: CborValue): CborValue => {
    if (Array.isArray(value)) return value.map(withMore);
    if (!(value instanceof Map)) return value;
    return new Map([...value].map(([key, inner]) => [key, withMore(inner)])).set(1_000, "new");
  };
  for (const message of ALL) {
    const [number, body] = decodeCbor(encodeMessage(message)) as [number, CborValue];
    expect(decodeMessage(encodeCbor([number, withMore(body)]))).toEqual(message);
  }
});

test("MS5: a message without one of its fields is unreadable, but for those that may be absent", () => {
  for (const message of ALL) {
    const [number, body] = decodeCbor(encodeMessage(message)) as [number, Map<number, CborValue>];
    for (const key of body.keys()) {
      const less = new Map([...body].filter(([other]) => other !== key));
      expect(decodeMessage(encodeCbor([number, less]))).toBeUndefined();
    }
  }
});

test.each<readonly [string, Message]>([
  [
    "more pieces than a message may name",
    { ...EACH_KIND.gained, pieces: new Array(4_097).fill(1) },
  ],
  ["a tag of the wrong length", { ...EACH_KIND.open, tag: new Uint8Array(15) }],
  ["a longer problem than allowed", { ...EACH_KIND.progress, problem: "x".repeat(1_025) }],
  ["an absurd manifest", { ...EACH_KIND.holds, manifestBytes: 2 ** 40 }],
  ["a manifest of nothing", { ...EACH_KIND["publish-part"], totalBytes: 0 }],
  ["a port beyond the last", { ...EACH_KIND.register, portOffset: 65_536 }],
  ["a ninth address", { ...EACH_KIND.register, hosts: new Array(9).fill("192.0.2.1") }],
  ["a negative count", { ...EACH_KIND.progress, pieces: -1 }],
  ["a number above 32 bits", { ...EACH_KIND.cancel, requestId: 2 ** 32 }],
  ["an oversized certificate request", { ...EACH_KIND.enrol, request: new Uint8Array(4_097) }],
])("MS5: a message with %s is unreadable", (_what, message) => {
  expect(decodeMessage(encodeMessage(message))).toBeUndefined();
});

test.each([
  ["a kind that nobody knows", [17, new Map()]],
  ["kind 0", [0, new Map()]],
  ["a kind that is no number", ["enrol", new Map()]],
  ["no fields", [13]],
  ["a third part", [13, new Map([[1, 1]]), 0]],
  ["fields in a list", [13, [1]]],
  ["no list", new Map([[1, 1]])],
] as const)("MS5: a message of %s is unreadable", (_what, value) => {
  expect(decodeMessage(encodeCbor(value as CborValue))).toBeUndefined();
});

test("MS2: a directory of 1,400 members with eight long addresses each fits into a message", () => {
  const [member] = EACH_KIND.directory.members;
  if (member === undefined) expect.fail();
  const hosts = new Array(8).fill("2001:db8:1234:5678:9abc:def0:1234:5678");
  const office = "x".repeat(64);
  const members = Array.from({ length: 1_400 }, () => ({ ...member, office, hosts }));
  const bytes = encodeMessage({ ...EACH_KIND.directory, members });

  expect(bytes.length).toBeLessThan(MESSAGE_BYTES_MAX);
});

test("MS5: whatever arrives, a message is read or refused; what is read keeps its bounds", () => {
  const prng = new Prng(5);
  const seeds = ALL.map(encodeMessage);
  let read = 0;
  for (let run = 0; run < 100_000; run += 1) {
    const bytes = (seeds[prng.below(seeds.length)] ?? new Uint8Array(1)).slice();
    for (let change = 1 + prng.below(3); change > 0; change -= 1) {
      bytes[prng.below(bytes.length)] = prng.below(256);
    }
    const message = decodeMessage(bytes);
    if (message === undefined) continue;
    read += 1;
    // What was read can be said again, and is then understood.
    if (decodeMessage(encodeMessage(message)) === undefined) expect.fail(toHex(bytes));
  }
  expect(read).toBeGreaterThan(1_000);
});
