// Serves the pieces of a content to whoever asks, as an agent does: send.ts FOLDER ADDRESS PORT.
// Says "ready", and at the end of standard input what it has used.

import { readFully } from "../../src/agent/store/disk.ts";
import { HandleCache } from "../../src/agent/store/handle-cache.ts";
import { invariant } from "../../src/base/invariant.ts";
import { MIB } from "../../src/base/units.ts";
import { Station } from "../../src/netperf/station.ts";
import { tuneEngine } from "../../src/runtime/engine.ts";
import { decodeMessage, type Request } from "../../src/wire/messages.ts";
import { fileOf, LAN_WORD, readContent } from "./content.ts";
import { OwnUse, serveUntilInputEnds, writeResult } from "./use.ts";

/** How much is read ahead of what has been sent, as `peer/uploads.ts` has it. */
const AHEAD_BYTES = MIB;

tuneEngine("throughput");
const [folder = "", host = "", port = ""] = process.argv.slice(2);
const { manifest } = await readContent(folder);
const handles = new HandleCache(1);
const asked: Request[] = [];
let readingBytes = 0;
let association: number | undefined;
let use = new OwnUse();

const station = await Station.open({
  protocol: "foreground",
  word: LAN_WORD,
  listen: { host, port: Number(port) },
  onEvent: (event) => {
    if (event.kind === "association-up") {
      association = event.association;
      use = new OwnUse();
    } else if (event.kind === "association-down") {
      association = undefined;
    } else if (event.kind === "message-received") {
      const message = decodeMessage(event.bytes);
      invariant(message?.kind === "request", "the receiver asks and says nothing else");
      asked.push(message);
    }
  },
  onStep: () => goOn(),
});
await serveUntilInputEnds();
writeResult(use.read());
await station.close();
await handles.close();

/** Reads on, as far as what was read before has been sent. */
function goOn(): void {
  if (association === undefined) return;
  while (station.queuedBytes(association) + readingBytes < AHEAD_BYTES) {
    const request = asked.shift();
    if (request === undefined) return;
    readingBytes += request.lengthBytes;
    void answer(request);
  }
}

async function answer({ requestId, piece, lengthBytes }: Request): Promise<void> {
  const data = await handles.use(fileOf(folder), "r", async (file) => {
    const bytes = new Uint8Array(lengthBytes);
    await readFully(file, bytes, manifest.pieces[piece]?.offsetBytes ?? 0);
    return bytes;
  });
  readingBytes -= lengthBytes;
  if (association !== undefined)
    station.sendBlock(association, { requestId, offsetBytes: 0, data });
}
