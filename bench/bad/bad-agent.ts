// The real agent on a store that lies to it, so that it deceives others in good faith:
// bad-agent.ts LIE agent run ... The product itself knows nothing of this.
import { ContentStore } from "../../src/agent/store/content-store.ts";
import { Bitset } from "../../src/base/bitset.ts";
import { main } from "../../src/cli/main.ts";
import { decodeSignedManifest } from "../../src/content/manifest-codec.ts";
import type { StorageInput } from "../../src/effects/storage.ts";

/** What a bad device does. */
export type Lie = "flips-bits" | "accuses" | "claims";

type Tell = (input: StorageInput) => void;

/** What each liar's store does otherwise than a good one. */
const TWISTS: Readonly<Record<Lie, (store: ContentStore, tell: Tell) => void>> = {
  // What is read has a wrong bit (see below), and whoever doubts it is told that it is right.
  "flips-bits": dismissDoubts,
  // Whatever anybody sends is said to be wrong.
  accuses: (store, tell) => {
    store.storePiece = (contentId, piece) => {
      const problem = "It is wrong.";
      setImmediate(tell, { kind: "piece-rejected", contentId, piece, cause: "mismatch", problem });
    };
  },
  // All of a content is said to be there from the start, and nothing is.
  claims: (store, tell) => {
    store.createContent = (contentId, manifest) => {
      const decoded = decodeSignedManifest(manifest);
      const all = new Bitset(decoded.ok ? decoded.value.manifest.pieces.length : 0);
      all.fill();
      setImmediate(tell, { kind: "content-created", contentId, pieces: all.toBytes() });
    };
    store.finishContent = () => {};
    dismissDoubts(store, tell);
  },
};

function dismissDoubts(store: ContentStore, tell: Tell): void {
  store.recheckPiece = (contentId, piece) => {
    setImmediate(tell, { kind: "piece-rechecked", contentId, piece, intact: true });
  };
}

function flipped(input: StorageInput): StorageInput {
  if (input.kind !== "piece-read" || input.bytes === undefined) return input;
  const bytes = input.bytes.slice();
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return { ...input, bytes };
}

function corruptStores(lie: Lie): void {
  const open = ContentStore.open.bind(ContentStore);
  ContentStore.open = async (options) => {
    const tell: Tell = (input) => options.onInput(lie === "flips-bits" ? flipped(input) : input);
    const store = await open({ ...options, onInput: tell });
    TWISTS[lie](store, tell);
    return store;
  };
}

if (import.meta.main) {
  const [lie, ...args] = process.argv.slice(2);
  corruptStores(lie as Lie);
  process.exitCode = await main(args);
}
