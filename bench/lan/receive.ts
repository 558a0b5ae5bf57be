// Fetches a content, verifies each piece and writes it, with what an agent does that with:
// receive.ts FOLDER STORE ADDRESS PORT. Says what it has used.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { addContent, CONTENTS } from "../../src/agent/store/content-folders.ts";
import { HandleCache } from "../../src/agent/store/handle-cache.ts";
import { PieceWriter } from "../../src/agent/store/piece-writer.ts";
import { RecentPieces } from "../../src/agent/store/recent-pieces.ts";
import { StoreIndex } from "../../src/agent/store/store-index.ts";
import { CONTENT_STORE_LIMITS } from "../../src/agent/store/store-options.ts";
import { blobPath } from "../../src/agent/store/stored-content.ts";
import { invariant } from "../../src/base/invariant.ts";
import { Station } from "../../src/netperf/station.ts";
import { PENDING_BYTES_MAX, STORING_BYTES_MAX } from "../../src/peer/core.ts";
import { tuneEngine } from "../../src/runtime/engine.ts";
import { Assembly } from "../../src/swarm/piece-assembly.ts";
import { encodeMessage } from "../../src/wire/messages.ts";
import { LAN_WORD, preallocate, readContent } from "./content.ts";
import { OwnUse, writeResult } from "./use.ts";

tuneEngine("throughput");
const [folder = "", storeFolder = "", host = "", port = ""] = process.argv.slice(2);
const added = await readContent(folder);
const { pieces } = added.manifest;
await mkdir(join(storeFolder, CONTENTS), { recursive: true });
const index = StoreIndex.open(storeFolder);
const record = { delivered: false, pinned: false, usedAtMs: Date.now() };
const content = await addContent(storeFolder, index, added, record);
await preallocate(blobPath(content), added.manifest.sizeBytes);

const handles = new HandleCache(1);
const done = Promise.withResolvers<void>();
let storingBytes = 0;
const writer = new PieceWriter({
  index,
  handles,
  batchBytesMax: CONTENT_STORE_LIMITS.batchBytesMax,
  recent: new RecentPieces(),
  report: (input) => {
    invariant(input.kind === "piece-stored", "nothing goes wrong between two of our own");
    storingBytes -= pieces[input.piece]?.sizeBytes ?? 0;
    fill();
    if (content.held.full) done.resolve();
  },
  onHeld: () => {},
  onNoRoom: () => {},
});

const pending = new Map<number, Assembly>();
let pendingBytes = 0;
let nextPiece = 0;
let association: number | undefined;
let use = new OwnUse();
const station = await Station.open({
  protocol: "foreground",
  word: LAN_WORD,
  onEvent: (event) => {
    if (event.kind === "association-up") {
      association = event.association;
      use = new OwnUse();
      fill();
    } else if (event.kind === "association-down") {
      done.reject(new Error(event.reason));
    } else if (event.kind === "block-received") {
      onBlock(event.requestId, event.offsetBytes, event.data);
    }
  },
});
station.connect({ host, port: Number(port) });
await done.promise;
writeResult(use.read());
await station.close();
await handles.close();
await index.close();

/** Takes a part of a piece; the number of a request is that of its piece. */
function onBlock(piece: number, offsetBytes: number, data: Uint8Array): void {
  const assembly = pending.get(piece);
  invariant(assembly?.add(offsetBytes, data).ok === true, "the sender sends what it was asked for");
  if (!assembly.complete) return;
  pending.delete(piece);
  pendingBytes -= assembly.sizeBytes;
  storingBytes += assembly.sizeBytes;
  writer.push({ content, piece, bytes: assembly.bytes });
  fill();
}

/** Asks for as much as an agent asks of one peer. */
function fill(): void {
  if (association === undefined) return;
  while (pendingBytes < PENDING_BYTES_MAX && pendingBytes + storingBytes < STORING_BYTES_MAX) {
    const piece = nextPiece;
    const lengthBytes = pieces[piece]?.sizeBytes;
    if (lengthBytes === undefined) return;
    nextPiece += 1;
    pendingBytes += lengthBytes;
    pending.set(piece, new Assembly(lengthBytes));
    const request = { requestId: piece, handle: 0, target: "piece", piece } as const;
    const message = { kind: "request", ...request, offsetBytes: 0, lengthBytes } as const;
    station.sendMessage(association, encodeMessage(message));
  }
}
