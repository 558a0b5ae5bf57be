import { describe, expect, test } from "vitest";
import { branchCacheCrypto as crypto } from "../peerdist/node-crypto.ts";
import { openBlock } from "./block-cipher.ts";
import { decodeResponse } from "./retrieval-decoder.ts";
import { encodeRequest, type RetrievalRequest } from "./retrieval-message.ts";
import { RetrievalServer, type RetrievalServerOutput, UPLOAD_US } from "./retrieval-server.ts";
import { decodeSegmentAges } from "./segment-ages.ts";
import { serve } from "./test-download.ts";
import { TestCache, testContent } from "./test-world.ts";

const content = testContent(crypto, 1, 10 * 65_536 + 5);
const [segment = content.segments[0]] = content.segments;
const cache = new TestCache();
cache.fill(content, (_, block) => block % 2 === 1 || block > 7);
const V1 = { major: 1, minor: 0 };

describe("a server of blocks", () => {
  test("RR10: tells its versions to whoever asks, and to whoever speaks another one", () => {
    const wanted = { kind: "negotiated", least: V1, most: { major: 2, minor: 0 } };
    const other = request({
      kind: "get-blocks",
      segmentId: idOf(),
      ranges: [{ index: 1, count: 1 }],
    });
    other[3] = 9;

    expect(answer(request({ kind: "negotiate", least: V1, most: V1 }))).toEqual(wanted);
    expect(answer(other)).toEqual(wanted);
  });

  test("RR10: refuses a question for versions in another version, and what it cannot read", () => {
    const other = request({ kind: "negotiate", least: V1, most: V1 });
    other[3] = 9;

    expect(serve(crypto, cache, other)).toBeUndefined();
    expect(serve(crypto, cache, other.subarray(0, 10))).toBeUndefined();
    expect(serve(crypto, cache, new Uint8Array(0))).toBeUndefined();
  });

  test("RR11: lists the blocks that are there of those asked for, and the next one", () => {
    const ranges = [
      { index: 0, count: 3 },
      { index: 5, count: 4 },
    ];

    expect(answer(request({ kind: "get-block-list", segmentId: idOf(), ranges }))).toMatchObject({
      ranges: [
        { index: 1, count: 1 },
        { index: 5, count: 1 },
        { index: 7, count: 2 },
      ],
      nextBlockIndex: 9,
    });
  });

  test("RR11: says so where it has nothing", () => {
    const segmentId = new Uint8Array(32);
    const ranges = [{ index: 0, count: 512 }];

    expect(answer(request({ kind: "get-block-list", segmentId, ranges }))).toMatchObject({
      ranges: [],
      nextBlockIndex: 0,
    });
    expect(answer(request({ kind: "get-blocks", segmentId, ranges }))).toMatchObject({
      block: new Uint8Array(0),
      iv: new Uint8Array(0),
    });
  });

  test("RR12, RR13: gives the first block asked for, encrypted even where nobody wants that", () => {
    const ranges = [
      { index: 9, count: 2 },
      { index: 3, count: 1 },
    ];
    for (const cipher of ["none", "aes-128", "aes-192", "aes-256"] as const) {
      const message = { kind: "get-blocks", segmentId: idOf(), ranges } as const;
      const response = decodeResponse(
        serve(crypto, cache, encodeRequest({ cipher, message })) ?? new Uint8Array(0),
      );
      if (!response.ok || response.value.message.kind !== "block") throw new Error("no block");
      const { message: block, cipher: used } = response.value;
      const sealed = { cipher: used, block: block.block, iv: block.iv };

      expect(used).toBe(cipher === "none" ? "aes-128" : cipher);
      expect(block).toMatchObject({ blockIndex: 3, nextBlockIndex: 5 });
      expect(openBlock(crypto, sealed, segment?.secret ?? idOf(), 65_536)).toEqual(
        content.bytes.subarray(3 * 65_536, 4 * 65_536),
      );
    }
  });

  test("RR11: lists the segments that are there, with their ages", () => {
    cache.ageUs = 5_000_000;
    const requestId = crypto.randomBytes(16);
    const segmentIds = [new Uint8Array(32), idOf(), new Uint8Array(31)];
    const message = { kind: "get-segment-list", requestId, segmentIds, blob: requestId } as const;
    const list = answer(request(message));

    expect(list).toMatchObject({ requestId, ranges: [{ index: 1, count: 1 }] });
    expect(list.kind === "segment-list" && decodeSegmentAges(list.blob)).toEqual([
      { index: 1, ageUs: 5_000_000 },
    ]);
  });
});

describe("RR11: a server that is busy", () => {
  const get = request({ kind: "get-blocks", segmentId: idOf(), ranges: [{ index: 1, count: 1 }] });

  test("says that it has nothing, until an exchange has ended", () => {
    const server = new RetrievalServer(crypto, cache, { exchangesMax: 2 });
    const kinds = (exchange: number) =>
      step(server, 0, { kind: "request", exchange, bytes: get }).map(({ kind }) => kind);

    expect([kinds(1), kinds(2), kinds(3)]).toEqual([["read-block"], ["read-block"], ["respond"]]);
    step(server, 0, { kind: "gone", exchange: 1 });
    expect(kinds(4)).toEqual(["read-block"]);
  });

  test("gives up what its disk does not bring in time", () => {
    const server = new RetrievalServer(crypto, cache, { exchangesMax: 2 });
    step(server, 5, { kind: "request", exchange: 1, bytes: get });

    expect(server.due().atUs).toBe(5 + UPLOAD_US);
    expect(step(server, 5 + UPLOAD_US, { kind: "timer" })).toEqual([
      { kind: "refuse", exchange: 1 },
    ]);
    expect(step(server, 9 + UPLOAD_US, { kind: "block-read", exchange: 1 })).toEqual([]);
  });
});

function idOf(): Uint8Array {
  return segment?.id ?? new Uint8Array(0);
}

function request(message: RetrievalRequest): Uint8Array {
  return encodeRequest({ cipher: "aes-128", message });
}

function answer(bytes: Uint8Array) {
  const response = decodeResponse(serve(crypto, cache, bytes) ?? new Uint8Array(0));
  if (!response.ok) throw new Error(response.error);
  return response.value.message;
}

function step(
  server: RetrievalServer,
  nowUs: number,
  input: Parameters<RetrievalServer["step"]>[1],
): readonly RetrievalServerOutput[] {
  const outbox: RetrievalServerOutput[] = [];
  server.step(nowUs, input, outbox);
  return outbox;
}
