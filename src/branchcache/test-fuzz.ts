import { concat, equalBytes } from "../base/bytes.ts";
import type { Prng } from "../base/prng.ts";
import { decodeContentInformation } from "./content-information.ts";
import { encodeContentInformationV1 } from "./content-information-v1.ts";
import { encodeContentInformationV2 } from "./content-information-v2.ts";
import { decodeDiscovery, SEGMENTS_PER_PROBE } from "./discovery-decoder.ts";
import { encodeProbe, encodeProbeMatches } from "./discovery-message.ts";
import {
  decodeHostedCacheRequestV1,
  decodeHostedCacheRequestV2,
  encodeBatchedOffer,
  encodeHostedCacheRequestV1,
} from "./hosted-cache-message.ts";
import { negotiate, readAnswer } from "./http-negotiation.ts";
import { decodeRequest, decodeResponse } from "./retrieval-decoder.ts";
import { encodeRequest, encodeResponse } from "./retrieval-message.ts";
import { CAPTURED_V1, CAPTURED_V2 } from "./test-vectors.ts";

/** One decoder, what it takes, and what must be true of what it gives. */
export type FuzzTarget = {
  readonly name: string;
  readonly samples: readonly Uint8Array[];
  /**
   * Decodes, and says what is wrong about what came of it: an accepted message must be within its
   * bounds, and be the same again once it has been written and read.
   */
  check(bytes: Uint8Array): { readonly accepted: boolean; readonly problem?: string };
};

/** Bytes that differ from a sample in a few places, the same for the same seed. */
export function mutated(prng: Prng, samples: readonly Uint8Array[]): Uint8Array {
  let bytes = pick(prng, samples).slice();
  const times = 1 + prng.below(4);
  for (let time = 0; time < times; time += 1) bytes = pick(prng, MUTATIONS)(prng, bytes, samples);
  return bytes;
}

const INTERESTING = [0, 1, 2, 3, 4, 0x10, 0x20, 0x7f, 0x80, 0xfe, 0xff] as const;

type Mutation = (
  prng: Prng,
  bytes: Uint8Array,
  samples: readonly Uint8Array[],
) => Uint8Array<ArrayBuffer>;

const MUTATIONS: readonly Mutation[] = [
  (prng, bytes) => {
    const changed = bytes.slice();
    const at = prng.below(Math.max(1, bytes.length));
    changed[at] = (changed[at] ?? 0) ^ (1 << prng.below(8));
    return changed;
  },
  (prng, bytes) => {
    const changed = bytes.slice();
    changed[prng.below(Math.max(1, bytes.length))] = pick(prng, INTERESTING);
    return changed;
  },
  (prng, bytes) => {
    const changed = bytes.slice();
    const at = prng.below(Math.max(1, bytes.length));
    changed.fill(pick(prng, [0, 0xff]), at, at + 4);
    return changed;
  },
  (prng, bytes) => bytes.slice(0, prng.below(bytes.length + 1)),
  (prng, bytes) => {
    const at = prng.below(bytes.length + 1);
    return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + prng.below(8)));
  },
  (prng, bytes) => {
    const at = prng.below(bytes.length + 1);
    const from = prng.below(bytes.length + 1);
    const again = bytes.subarray(from, from + prng.below(64));
    return joined(bytes.subarray(0, at), again, bytes.subarray(at));
  },
  (prng, bytes, samples) => {
    const other = pick(prng, samples);
    return joined(
      bytes.subarray(0, prng.below(bytes.length + 1)),
      other.subarray(prng.below(other.length + 1)),
    );
  },
];

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concat(parts).slice();
}

function pick<T>(prng: Prng, list: readonly T[]): T {
  const one = list[prng.below(list.length)];
  if (one === undefined) throw new Error("nothing to pick from");
  return one;
}

const ID: Uint8Array = Uint8Array.from({ length: 32 }, (_, index) => 7 * index);
const TAG: Uint8Array = ID.subarray(0, 16);
const VERSION = { major: 1, minor: 0 };
const NO_BYTES: Uint8Array = new Uint8Array(0);

/** All decoders of what others send. */
export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  {
    name: "content information",
    samples: [CAPTURED_V1, CAPTURED_V2],
    check: (bytes) => {
      const result = decodeContentInformation(bytes);
      if (!result.ok) return { accepted: false };
      const { value } = result;
      const again =
        value.version === 1 ? encodeContentInformationV1(value) : encodeContentInformationV2(value);
      const isSame = value.version === 2 || equalBytes(again, bytes);
      const isStable = decodeContentInformation(again).ok;
      return isSame && isStable ? { accepted: true } : bad("written otherwise than it was read");
    },
  },
  {
    name: "retrieval requests",
    samples: [
      encodeRequest({
        cipher: "none",
        message: { kind: "negotiate", least: VERSION, most: VERSION },
      }),
      ...(["get-block-list", "get-blocks"] as const).map((kind) =>
        encodeRequest({
          cipher: "aes-128",
          message: {
            kind,
            segmentId: ID,
            ranges: [
              { index: 1, count: 2 },
              { index: 9, count: 1 },
            ],
          },
        }),
      ),
      encodeRequest({
        cipher: "aes-256",
        message: { kind: "get-segment-list", requestId: TAG, segmentIds: [ID, ID], blob: NO_BYTES },
      }),
    ],
    check: (bytes) => {
      const result = decodeRequest(bytes);
      if (!result.ok) return { accepted: false };
      const again = decodeRequest(encodeRequest(result.value));
      return sameAgain(result.value, again.ok ? again.value : undefined);
    },
  },
  {
    name: "retrieval responses",
    samples: [
      encodeResponse({
        cipher: "none",
        message: {
          kind: "block-list",
          segmentId: ID,
          ranges: [{ index: 1, count: 2 }],
          nextBlockIndex: 5,
        },
      }),
      encodeResponse({
        cipher: "aes-128",
        message: {
          kind: "block",
          segmentId: ID,
          blockIndex: 1,
          nextBlockIndex: 2,
          block: ID,
          iv: TAG,
        },
      }),
      encodeResponse({
        cipher: "none",
        message: {
          kind: "segment-list",
          requestId: TAG,
          ranges: [{ index: 0, count: 2 }],
          blob: TAG,
        },
      }),
    ],
    check: (bytes) => {
      const result = decodeResponse(bytes);
      if (!result.ok) return { accepted: false };
      const again = decodeResponse(encodeResponse(result.value));
      return sameAgain(result.value, again.ok ? again.value : undefined);
    },
  },
  {
    name: "offers of version 1.0",
    samples: [
      encodeHostedCacheRequestV1({ kind: "initial-offer", port: 80, segmentId: ID }),
      concat([Uint8Array.of(0, 1, 0, 2, 0, 0, 0, 0, 0, 80, 0, 0, 0, 0, 0, 0), TAG, CAPTURED_V1]),
    ],
    check: (bytes) => {
      const result = decodeHostedCacheRequestV1(bytes);
      if (!result.ok) return { accepted: false };
      const again = decodeHostedCacheRequestV1(encodeHostedCacheRequestV1(result.value));
      return sameAgain(result.value, again.ok ? again.value : undefined);
    },
  },
  {
    name: "offers of version 2.0",
    samples: [
      encodeBatchedOffer({
        kind: "batched-offer",
        port: 80,
        segments: [1, 2, 3].map((kib) => ({
          version: 2,
          blockSizeBytes: kib * 1_024,
          lengthBytes: kib * 1_024,
          contentTag: TAG,
          segmentId: ID,
        })),
      }),
    ],
    check: (bytes) => {
      const result = decodeHostedCacheRequestV2(bytes);
      if (!result.ok) return { accepted: false };
      const again = decodeHostedCacheRequestV2(encodeBatchedOffer(result.value));
      return sameAgain(result.value, again.ok ? again.value : undefined);
    },
  },
  {
    name: "discovery",
    samples: ([1, 2] as const).flatMap((version) => [
      encodeProbe({ version, messageId: "urn:uuid:1", segmentIds: [ID] }),
      encodeProbeMatches({
        version,
        messageId: "urn:uuid:2",
        relatesTo: "urn:uuid:1",
        endpoint: "urn:uuid:3",
        instanceId: 1,
        messageNumber: 1,
        address: "10.0.0.1:80",
        holdings: [{ segmentId: ID, blocks: 1, isComplete: true, ageUs: 0 }],
      }),
    ]),
    check: (bytes) => {
      const message = decodeDiscovery(bytes);
      if (message === undefined) return { accepted: false };
      const counts =
        message.kind === "probe"
          ? [message.probe.segmentIds.length]
          : message.matches.flatMap(({ held, bits, places }) => [
              held.length,
              bits.length / 2,
              16 * places.length,
            ]);
      const isBounded = counts.every((count) => count <= SEGMENTS_PER_PROBE);
      return isBounded ? { accepted: true } : bad("beyond its bounds");
    },
  },
  {
    name: "headers",
    samples: [Uint8Array.from("Version=1.1, MissingDataRequest=false", (c) => c.charCodeAt(0))],
    check: (bytes) => {
      const text = String.fromCharCode(...bytes);
      const { kind } = negotiate({ acceptEncoding: "peerdist", peerDist: text, peerDistEx: text });
      readAnswer({ contentEncoding: "peerdist", peerDist: text });
      return { accepted: kind === "content-information" };
    },
  },
];

function bad(problem: string): { readonly accepted: true; readonly problem: string } {
  return { accepted: true, problem };
}

function sameAgain(a: unknown, b: unknown): { readonly accepted: true; readonly problem?: string } {
  const isSame = JSON.stringify(a) === JSON.stringify(b);
  return isSame ? { accepted: true } : bad("another message once it was written and read");
}
