import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { toHex } from "../base/hex.ts";
import { testContent } from "../branchcache/test-world.ts";
import { BlockStore, type StoreLimits } from "./block-store.ts";
import { branchCacheCrypto as crypto } from "./node-crypto.ts";

const ENDLESS: StoreLimits = { bytesMax: Infinity, ageMsMax: Infinity };
const content = testContent(crypto, 2, 1_048_576);
const shapes = content.segments.map(({ id, secret, hashOfData, blockHashes, ...segment }) => ({
  version: segment.version,
  lengthBytes: segment.lengthBytes,
  blockSizeBytes: segment.blockSizeBytes,
  segmentId: toHex(id),
  keys: { secret, hashOfData, blockHashes },
  bytes: content.bytes.subarray(segment.offsetBytes, segment.offsetBytes + segment.lengthBytes),
}));
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "branchline-blocks-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("what was kept is there after a restart, and is what it was", async () => {
  const before = filled(ENDLESS);
  before.close();
  const store = new BlockStore(folder, ENDLESS);

  expect(store.bytes).toBe(content.bytes.length);
  for (const { segmentId, bytes, keys } of shapes) {
    expect(await store.read(segmentId, 0)).toEqual({ kind: "plain", bytes, secret: keys.secret });
  }
  store.close();
});

test("two programs cannot have one cache: the second is told so", () => {
  const first = new BlockStore(folder, ENDLESS);

  expect(() => new BlockStore(folder, ENDLESS)).toThrow(/Another program uses .*segments\.db/);
  first.close();
  new BlockStore(folder, ENDLESS).close();
});

test("HC7: what came encrypted without keys is given as it came", async () => {
  const store = new BlockStore(folder, ENDLESS);
  const [{ keys: _, bytes: __, ...shape } = fail()] = shapes;
  const sealed = {
    kind: "sealed",
    cipher: "aes-192",
    iv: crypto.randomBytes(16),
    bytes: crypto.randomBytes(64),
  } as const;
  store.put(shape, 0, sealed);
  store.close();
  const again = new BlockStore(folder, ENDLESS);

  expect(await again.read(shape.segmentId, 0)).toEqual(sealed);
  expect(again.holdingOf(shape.segmentId)).toMatchObject({ isVerified: false, heldBlocks: 1 });
  again.close();
});

test("CI14: what has rotted or is gone is let go of, and not given", async () => {
  const store = filled(ENDLESS);
  const [first = fail(), second = fail()] = shapes;
  writeFileSync(pathOf(first.segmentId), crypto.randomBytes(first.lengthBytes));
  rmSync(pathOf(second.segmentId));

  for (const { segmentId } of [first, second]) {
    expect(await store.read(segmentId, 0)).toBeUndefined();
    expect(store.holdingOf(segmentId)?.heldBlocks).toBe(0);
  }
  expect(store.bytes).toBe(content.bytes.length - first.lengthBytes - second.lengthBytes);
  store.put(first, 0, { kind: "plain", bytes: first.bytes, secret: first.keys.secret });
  expect((await store.read(first.segmentId, 0))?.bytes).toEqual(first.bytes);
  store.close();
});

test("A2: the oldest go while there is too much, and what is too old goes whatever there is", () => {
  const store = filled({ bytesMax: 400_000, ageMsMax: Infinity });

  expect(store.bytes).toBeLessThanOrEqual(400_000);
  expect(store.holdingOf(shapes.at(-1)?.segmentId ?? "")).toBeDefined();
  expect(store.holdingOf(shapes[0]?.segmentId ?? "")).toBeUndefined();
  expect(filesBelow(folder)).toBe(store.segments);
  store.close();
  const young = new BlockStore(folder, { bytesMax: Infinity, ageMsMax: -1 });
  expect([young.segments, young.bytes, filesBelow(folder)]).toEqual([0, 0, 0]);
  young.close();
});

test("RR7: a copy is as old as what it is a copy of", () => {
  const store = new BlockStore(folder, { bytesMax: Infinity, ageMsMax: 10_000 });
  const [first = fail(), second = fail()] = shapes;
  for (const [shape, ageMs] of [
    [first, 5_000],
    [second, 11_000],
  ] as const) {
    const block = { kind: "plain", bytes: shape.bytes, secret: shape.keys.secret } as const;
    store.put(shape, 0, block, { ageMs });
  }

  expect(store.holdingOf(first.segmentId)?.ageUs(0)).toBeGreaterThanOrEqual(5_000_000);
  expect(store.holdingOf(second.segmentId)).toBeUndefined();
  store.close();
});

function filled(limits: StoreLimits): BlockStore {
  const store = new BlockStore(folder, limits);
  for (const { bytes, ...shape } of shapes) {
    store.put(shape, 0, { kind: "plain", bytes, secret: shape.keys.secret });
  }
  return store;
}

function pathOf(segmentId: string): string {
  return join(folder, "segments", segmentId.slice(0, 2), segmentId);
}

function filesBelow(path: string): number {
  const entries = readdirSync(join(path, "segments"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}

function fail(): never {
  throw new Error("too few segments");
}
