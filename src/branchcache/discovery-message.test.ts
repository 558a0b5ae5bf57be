import { describe, expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../base/utf8.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { decodeDiscovery } from "./discovery-decoder.ts";
import { encodeProbe, encodeProbeMatches, type ProbeAnswer, uuidUrn } from "./discovery-message.ts";
import { DISCOVERY_SAMPLES } from "./test-vectors.ts";

const A = Uint8Array.from({ length: 32 }, (_, index) => 0xa0 + index);
const B = Uint8Array.from({ length: 32 }, (_, index) => index);
const ID = uuidUrn(B);
const ANSWER: ProbeAnswer = {
  version: 1,
  messageId: ID,
  relatesTo: "urn:uuid:1",
  endpoint: ID,
  instanceId: 1_700_000_000,
  messageNumber: 3,
  address: "10.0.0.7:8009",
  holdings: [undefined, { segmentId: A, blocks: 300, isComplete: false, ageUs: 600_000_000 }],
};

describe("probes", () => {
  test("PD3: version 1 names segments in capital letters", () => {
    const bytes = encodeProbe({ version: 1, messageId: ID, segmentIds: [A, B] });
    const text = decodeUtf8(bytes) ?? "";

    expect(text).toContain("<wsd:Types>PeerDist:PeerDistData</wsd:Types>");
    expect(text).toContain(">A0A1A2A3");
    expect(text).toContain("/04/discovery/strcmp0");
    expect(decodeDiscovery(bytes)).toEqual({
      kind: "probe",
      probe: { version: 1, messageId: ID, segmentIds: [A, B] },
    });
  });

  test.each([DISCOVERY_SAMPLES.probeOneId, DISCOVERY_SAMPLES.probeTwoIds])(
    "PD4: version 2 names them as in the specification's sample",
    ({ base64, bytes }) => {
      expect(fromBase64(base64)).toEqual(bytes);
      const count = bytes[2] ?? 0;
      const segmentIds = Array.from({ length: count }, (_, index) =>
        bytes.slice(3 + 32 * index, 35 + 32 * index),
      );
      const probe = { version: 2, messageId: ID, segmentIds } as const;
      const written = encodeProbe(probe);

      expect(decodeUtf8(written)).toContain(`PeerDistV2MatchingRule">${base64}</wsd:Scopes>`);
      expect(decodeDiscovery(written)).toEqual({ kind: "probe", probe });
    },
  );
});

describe("answers", () => {
  test("PD5, PD6: have the literal tags that independent clients look for", () => {
    const text = decodeUtf8(encodeProbeMatches(ANSWER)) ?? "";

    expect(text).toContain("<wsd:Scopes>A0A1A2A3");
    expect(text).toContain("<wsd:XAddrs>10.0.0.7:8009</wsd:XAddrs>");
    expect(text).toContain("<PeerDist:BlockCount>0000012C</PeerDist:BlockCount>");
    expect(text).toContain("<wsa:RelatesTo>urn:uuid:1</wsa:RelatesTo>");
    expect(text).not.toContain("/>");
  });

  test("PD6: version 1 names what is held, and how much of it", () => {
    expect(decodeDiscovery(encodeProbeMatches(ANSWER))).toEqual({
      kind: "matches",
      relatesTo: "urn:uuid:1",
      matches: [
        {
          version: 1,
          places: [{ host: "10.0.0.7", port: 8_009 }],
          held: [{ segmentId: A, blocks: 300 }],
          bits: [],
          ages: [],
        },
      ],
    });
  });

  test("PD7: version 2 has two bits for each probed segment, and ages", () => {
    const holding = { segmentId: B, blocks: 1, isComplete: true };
    const message = decodeDiscovery(
      encodeProbeMatches({
        ...ANSWER,
        version: 2,
        holdings: [...ANSWER.holdings, holding, undefined, holding],
      }),
    );

    const [match] = message?.kind === "matches" ? message.matches : [];
    expect(match?.bits.slice(0, 5)).toEqual([
      { some: false, all: false },
      { some: true, all: false },
      { some: true, all: true },
      { some: false, all: false },
      { some: true, all: true },
    ]);
    expect(match?.ages).toEqual([{ index: 1, ageUs: 600_000_000 }]);
  });

  test("PD7: forty complete segments are the specification's sample", () => {
    const holding = { segmentId: B, blocks: 1, isComplete: true };
    const bytes = encodeProbeMatches({ ...ANSWER, version: 2, holdings: Array(40).fill(holding) });

    expect(decodeUtf8(bytes)).toContain(
      `<wsd:Scopes>${DISCOVERY_SAMPLES.matchFortyComplete.base64}</wsd:Scopes>`,
    );
  });
});

describe("PD9: what others write otherwise is read all the same", () => {
  const written = decodeUtf8(encodeProbeMatches(ANSWER)) ?? "";
  const variants = {
    "other prefixes": written
      .replaceAll(/\bwsd([:=])/g, "d$1")
      .replaceAll(/\bPeerDist([:=])/g, "p$1"),
    "a default namespace": written
      .replaceAll("<soap:", "<")
      .replaceAll("</soap:", "</")
      .replace("xmlns:soap", "xmlns"),
    "white space around everything": written.replaceAll(">", ">\n  ").replaceAll("</", "\n </"),
    "small letters in ids": written.replace(/A0A1[0-9A-F]+/, (id) => id.toLowerCase()),
    "an address with a scheme": written.replace("10.0.0.7:8009", "http://10.0.0.7:8009/x"),
    "an address of IPv6 among others": written.replace(
      "10.0.0.7:8009",
      "name 10.0.0.7:8009 [fe80::1]:80",
    ),
    "comments and references": written.replace("10.0.0.7", "<!-- x -->1&#48;.0.0&#x2e;7"),
    "literal sections": written.replace("10.0.0.7:8009", "<![CDATA[10.0.0.7:8009]]>"),
    "more that nobody knows": written.replace("<soap:Body>", "<soap:Body><x y='&lt;'><z/></x>"),
  };

  test.each(Object.entries(variants))("%s", (_, text) => {
    expect(text).not.toBe(written);
    const message = decodeDiscovery(encodeUtf8(text));
    const [match] = message?.kind === "matches" ? message.matches : [];

    expect(match?.places[0]).toEqual({ host: "10.0.0.7", port: 8_009 });
    expect(match?.held).toEqual([{ segmentId: A, blocks: 300 }]);
  });
});

describe("PD9: what is none of it is ignored", () => {
  const probe = decodeUtf8(encodeProbe({ version: 1, messageId: ID, segmentIds: [A] })) ?? "";

  test.each([
    ["a document type", `<!DOCTYPE x [<!ENTITY a "b">]>${probe}`],
    ["an entity that nobody declared", probe.replace("urn:uuid:", "&a;")],
    ["a prefix that nobody declared", probe.replace(/xmlns:wsd="[^"]*"/, "")],
    ["tags that do not fit", probe.replace("</wsd:Types>", "</wsd:Scopes>")],
    ["what goes on behind the end", `${probe}x`],
    ["what does not end", probe.slice(0, -20)],
    ["another service's probe", probe.replace("PeerDist:PeerDistData", "PeerDist:Printer")],
    ["half an id", probe.replace(/A0A1/, "A0A")],
    ["129 ids", probe.replace(/A0A1[0-9A-F]+/, Array(129).fill("AB").join(" "))],
    ["an id of 65 bytes", probe.replace(/A0A1[0-9A-F]+/, "AB".repeat(65))],
    ["elements without end", probe.replace("<soap:Body>", `<soap:Body>${"<a>".repeat(1_000)}`)],
    ["a thousand elements", probe.replace("<soap:Body>", `<soap:Body>${"<a/>".repeat(1_000)}`)],
  ])("%s", (_, text) => {
    expect(decodeDiscovery(encodeUtf8(text))).toBeUndefined();
  });

  test("a datagram that is too long, or no UTF-8", () => {
    const long = probe.replace("<soap:Body>", `<soap:Body>${" ".repeat(40_000)}`);

    expect(decodeDiscovery(encodeUtf8(long))).toBeUndefined();
    expect(decodeDiscovery(Uint8Array.of(0xff, 0xfe))).toBeUndefined();
  });
});

test("Base64 comes back, whatever the length", () => {
  for (let length = 0; length < 10; length += 1) {
    const bytes = A.subarray(0, length);
    expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
    expect(fromBase64(toBase64(bytes))).toEqual(bytes);
  }
  for (const text of ["A", "AA", "AAA", "A===", "AA=A", "*AAA"]) {
    expect(fromBase64(text)).toBeUndefined();
  }
});
