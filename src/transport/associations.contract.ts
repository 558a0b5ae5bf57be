import { expect, test } from "vitest";
import type { AssociationEvent } from "./association-types.ts";
import type { PeerPolicy } from "./judge-peer.ts";

/** Two programs that can reach each other; 0 calls, 1 is called. */
export type AssociationPair = {
  /** What each has been told. */
  readonly events: readonly [readonly AssociationEvent[], readonly AssociationEvent[]];
  /** Has 0 begin an association; returns its number. */
  connect(policy?: Partial<PeerPolicy>): number;
  sendMessage(end: 0 | 1, id: number, bytes: Uint8Array): boolean;
  sendBlock(end: 0 | 1, id: number, requestId: number, data: Uint8Array): boolean;
  close(end: 0 | 1, id: number, reason: string): void;
  /** The program is gone without a word. */
  vanish(end: 0 | 1): void;
  /** Lets time pass, in seconds. */
  run(seconds: number): void;
};

/** What everything keeps that a brain may use as its associations. */
export function associationsContract(makePair: () => AssociationPair): void {
  test("an association comes up on both sides, each told who the other is", () => {
    const pair = makePair();

    const id = pair.connect();
    pair.run(2);

    expect(pair.events[0]).toMatchObject([
      { kind: "association-up", association: id, side: "initiator", peer: { id: "b" } },
    ]);
    expect(pair.events[1]).toMatchObject([
      { kind: "association-up", side: "responder", peer: { id: "a" } },
    ]);
  });

  test("messages arrive whole and in order, both ways; none is taken before it is up", () => {
    const pair = makePair();
    const id = pair.connect();
    expect(pair.sendMessage(0, id, Uint8Array.of(9))).toBe(false);
    pair.run(2);

    for (const byte of [1, 2, 3]) pair.sendMessage(0, id, Uint8Array.of(byte));
    pair.sendMessage(1, upOf(pair, 1), Uint8Array.of(4));
    pair.run(2);

    expect(messagesTo(pair, 1)).toEqual([[1], [2], [3]]);
    expect(messagesTo(pair, 0)).toEqual([[4]]);
  });

  test("a block arrives with all its bytes, under the number of its request", () => {
    const pair = makePair();
    const id = pair.connect();
    pair.run(2);
    const data = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251);

    pair.sendBlock(0, id, 7, data);
    pair.run(5);

    expect(blockTo(pair, 1, { requestId: 7, sizeBytes: data.length })).toEqual(data);
  });

  test("one that is not who was meant is turned away, and both sides hear why", () => {
    const pair = makePair();

    pair.connect({ expected: { roles: ["device"], id: "c" } });
    pair.run(5);

    expect(pair.events[0]).toMatchObject([
      { kind: "association-down", code: "wrong-id", byPeer: false, wasUp: false },
    ]);
    expect(pair.events[1].some(({ kind }) => kind === "association-up")).toBe(false);
  });

  test("an end that closes tells the other why, after what it said before", () => {
    const pair = makePair();
    const id = pair.connect();
    pair.run(2);

    pair.sendMessage(0, id, Uint8Array.of(1));
    pair.close(0, id, "enough");
    pair.run(2);

    expect(messagesTo(pair, 1)).toEqual([[1]]);
    expect(pair.events[1].at(-1)).toMatchObject({
      kind: "association-down",
      code: "done",
      reason: "enough",
      byPeer: true,
      wasUp: true,
    });
    expect(pair.sendMessage(0, id, Uint8Array.of(2))).toBe(false);
  });

  test("one that has gone without a word is given up within the time that silence is borne", () => {
    const pair = makePair();
    pair.connect();
    pair.run(2);

    pair.vanish(1);
    pair.run(12);

    expect(pair.events[0].at(-1)).toMatchObject({
      kind: "association-down",
      code: "silent",
      byPeer: false,
      wasUp: true,
    });
  });

  test("where nobody is, it ends as unreachable", () => {
    const pair = makePair();
    pair.vanish(1);

    pair.connect();
    pair.run(12);

    expect(pair.events[0]).toMatchObject([
      { kind: "association-down", code: "unreachable", wasUp: false },
    ]);
  });
}

function upOf({ events }: AssociationPair, end: 0 | 1): number {
  const up = events[end].find(({ kind }) => kind === "association-up");
  return up?.association ?? -1;
}

function messagesTo({ events }: AssociationPair, end: 0 | 1): readonly number[][] {
  return events[end].flatMap((event) =>
    event.kind === "message-received" ? [[...event.bytes]] : [],
  );
}

function blockTo(
  { events }: AssociationPair,
  end: 0 | 1,
  wanted: { readonly requestId: number; readonly sizeBytes: number },
): Uint8Array {
  const bytes = new Uint8Array(wanted.sizeBytes);
  for (const event of events[end]) {
    if (event.kind !== "block-received" || event.requestId !== wanted.requestId) continue;
    bytes.set(event.data, event.offsetBytes);
  }
  return bytes;
}
