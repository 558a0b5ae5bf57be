import { describe, expect, test } from "vitest";
import { equalBytes } from "../base/bytes.ts";
import { branchCacheCrypto as crypto } from "../peerdist/node-crypto.ts";
import { WAITING_MAX } from "./download-types.ts";
import { runDownload, type TestPeer } from "./test-download.ts";
import { TestCache, type TestContent, testContent } from "./test-world.ts";

const SIZE = 4 * 1_048_576 + 777;

const everything = () => true;
const odd = (segmentIndex: number, blockIndex: number) => (segmentIndex + blockIndex) % 2 === 1;

const VERSIONS = [
  { version: 1, content: testContent(crypto, 1, SIZE) },
  { version: 2, content: testContent(crypto, 2, SIZE) },
] as const;

describe.each(VERSIONS)("version $version, with honest peers", ({ content }) => {
  test("RR14: what peers have comes from peers, to the last byte", () => {
    const result = runDownload(crypto, { content, peers: [peer(1, content, everything)] });

    expect(result).toMatchObject({ end: "done", bytes: sums({ peer: SIZE }) });
    expect(equalBytes(result.content, content.bytes)).toBe(true);
    expect(result.waitingMax).toBeLessThanOrEqual(WAITING_MAX);
  });

  test("RR14: without anybody everything comes from the server, each byte once", () => {
    const result = runDownload(crypto, { content, peers: [] });

    expect(result).toMatchObject({ end: "done", bytes: sums({ server: SIZE }) });
    expect(result.ranges.reduce((sum, one) => sum + one.endBytes - one.startBytes, 0)).toBe(SIZE);
    expect(equalBytes(result.content, content.bytes)).toBe(true);
  });

  test("RR17: each block falls back for itself: with odd blocks at a peer, the even ones are fetched", () => {
    const holder = peer(1, content, odd);
    const held = heldBytes(content, odd);
    const result = runDownload(crypto, { content, peers: [holder] });

    expect(result).toMatchObject({ end: "done", bytes: sums({ peer: held, server: SIZE - held }) });
    expect(equalBytes(result.content, content.bytes)).toBe(true);
  });

  test("RR17: peers that have a half each together have all", () => {
    const even = (segmentIndex: number, blockIndex: number) => !odd(segmentIndex, blockIndex);
    const result = runDownload(crypto, {
      content,
      peers: [peer(1, content, odd), peer(2, content, even)],
    });

    expect(result).toMatchObject({ end: "done", bytes: sums({ peer: SIZE }) });
  });

  test("RR14: a hosted cache is asked first, and for the rest peers and the server", () => {
    const hosted = { ...peer(1, content, odd), kind: "hosted" } as const;
    const held = heldBytes(content, odd);
    const other = runDownload(crypto, { content, peers: [hosted] });
    const both = runDownload(crypto, { content, peers: [hosted, peer(2, content, everything)] });

    expect(other).toMatchObject({
      end: "done",
      bytes: sums({ hosted: held, server: SIZE - held }),
    });
    expect(both.bytes.hosted).toBeGreaterThan(0);
    expect(both).toMatchObject({ end: "done", bytes: { server: 0 } });
  });
});

describe.each(VERSIONS)("version $version, when something is wrong", ({ content }) => {
  test("RR18: a peer that sends other bytes is found out, and not asked again", () => {
    const liar = peer(1, content, everything, (bytes) => {
      const changed = bytes.slice();
      if (changed.length > 200) changed[100] = (changed[100] ?? 0) ^ 1;
      return changed;
    });
    const result = runDownload(crypto, { content, peers: [liar] });

    expect(result).toMatchObject({ end: "done", bytes: sums({ server: SIZE }) });
    expect(equalBytes(result.content, content.bytes)).toBe(true);
  });

  test("RR18: of a liar and an honest one the honest one brings everything", () => {
    const liar = peer(1, content, everything, (bytes) => bytes.map((byte) => byte ^ 1));
    const result = runDownload(crypto, {
      content,
      peers: [liar, peer(2, content, everything)],
    });

    expect(result).toMatchObject({ end: "done", bytes: sums({ peer: SIZE }) });
  });

  test("RR15: a peer that is silent costs three waits at most, then it counts as gone", () => {
    const silent = peer(1, content, everything, () => undefined);
    const result = runDownload(crypto, { content, peers: [silent] });

    expect(result).toMatchObject({ end: "done", bytes: sums({ server: SIZE }) });
    expect(result.seconds).toBeLessThan(7);
  });

  test("RR15: a peer that answers with nothing but noise is dropped", () => {
    const noisy = peer(1, content, everything, () => Uint8Array.of(1, 2, 3));
    const result = runDownload(crypto, { content, peers: [noisy] });

    expect(result).toMatchObject({ end: "done", bytes: sums({ server: SIZE }) });
  });

  test("RR14: what the own cache has is asked of nobody, and what has rotted there is", () => {
    const own = new TestCache();
    own.fill(content, everything);
    const whole = runDownload(crypto, { content, peers: [peer(1, content, everything)], own });
    const rotten = new TestCache();
    rotten.fill(
      { ...content, bytes: content.bytes.map((byte, at) => (at < 10 ? 0 : byte)) },
      everything,
    );
    const rest = runDownload(crypto, {
      content,
      peers: [peer(1, content, everything)],
      own: rotten,
    });

    expect(whole).toMatchObject({ end: "done", bytes: sums({ own: SIZE }) });
    expect(rest).toMatchObject({ end: "done", bytes: { server: 0 } });
    expect(rest.bytes.own + rest.bytes.peer).toBe(SIZE);
    expect(rest.bytes.peer).toBeGreaterThan(0);
    expect(equalBytes(rest.content, content.bytes)).toBe(true);
  });

  test("RR18: a server that does not answer, or has another file now, ends the download", () => {
    const gone = runDownload(crypto, { content, peers: [], server: () => undefined });
    const changed = runDownload(crypto, {
      content,
      peers: [],
      server: (startBytes, endBytes) => new Uint8Array(endBytes - startBytes),
    });

    expect(gone.end).toBe("failed");
    expect(changed.end).toBe("failed");
    expect(changed.blocks).toBe(0);
  });
});

test("RR14: a thousand segments are looked for in turn, not at once", () => {
  const content = testContent(crypto, 2, 20 * 1_048_576);
  const result = runDownload(crypto, { content, peers: [peer(1, content, () => true)] });

  expect(result).toMatchObject({ end: "done", bytes: sums({ peer: content.bytes.length }) });
});

function peer(
  number: number,
  content: TestContent,
  which: (segmentIndex: number, blockIndex: number) => boolean,
  answer?: (bytes: Uint8Array) => Uint8Array | undefined,
): TestPeer {
  const cache = new TestCache();
  cache.fill(content, which);
  const place = { host: `10.0.0.${number}`, port: 80 };
  return { place, cache, kind: "peer", ...(answer && { answer }) };
}

function heldBytes(
  { segments }: TestContent,
  which: (segmentIndex: number, blockIndex: number) => boolean,
): number {
  let bytes = 0;
  for (const [segmentIndex, segment] of segments.entries()) {
    for (let at = 0; at < segment.lengthBytes; at += segment.blockSizeBytes) {
      const length = Math.min(segment.blockSizeBytes, segment.lengthBytes - at);
      if (which(segmentIndex, at / segment.blockSizeBytes)) bytes += length;
    }
  }
  return bytes;
}

function sums(given: { own?: number; peer?: number; hosted?: number; server?: number }) {
  return { own: 0, peer: 0, hosted: 0, server: 0, ...given };
}
