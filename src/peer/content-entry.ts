import { Bitset } from "../base/bitset.ts";
import type { ContentId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { Manifest } from "../content/manifest.ts";
import { emptyTally, type Tally } from "../swarm/ledger.ts";
import type { Assembly } from "../swarm/piece-assembly.ts";
import { PiecePicker } from "../swarm/piece-picker.ts";
import type { ContentState } from "../wire/messages.ts";
import { Story } from "./explanations.ts";

/** What is known of a content once its manifest is there. */
export type Known = {
  readonly signed: Uint8Array;
  readonly manifest: Manifest;
  readonly held: Bitset;
  readonly picker: PiecePicker;
  /** Where each piece came from, and why. */
  readonly story: Story;
  /** The association with the device of another office that is asked for pieces, and since when. */
  lineSource: { readonly association: number; readonly sinceUs: number } | undefined;
};

/** A content that this device holds, fetches, or is to fetch. */
export type ContentEntry = {
  readonly contentId: ContentId;
  known: Known | undefined;
  state: ContentState;
  /** Whether a deployment asks for it. */
  wanted: boolean;
  /** Lower is served first. */
  priority: number;
  /** What is wrong and how to mend it; empty where nothing is. */
  problem: string;
  /** The manifest on its way, and from whom. */
  manifestAssembly: { readonly association: number; readonly assembly: Assembly } | undefined;
  /** The manifest that the store has been asked to check and make room for, and from whom it is. */
  creating: { readonly signed: Uint8Array; readonly association: number } | undefined;
  /** When a failed content is tried again. */
  retryAtUs: number;
  heldBytes: number;
  /** Whether it has been handed over on this device. */
  delivered: boolean;
  /** Whether the cache has let go of its pieces. */
  evicted: boolean;
  readonly tally: Tally;
  /** Pieces gained that the peers have not been told of. */
  readonly unannounced: number[];
  /** Whether the server has not been told of the present state. */
  unreported: boolean;
};

/** A content of which nothing is known but its id. */
export function newEntry(contentId: ContentId): ContentEntry {
  return {
    contentId,
    known: undefined,
    state: "waiting",
    wanted: false,
    priority: 0,
    problem: "",
    manifestAssembly: undefined,
    creating: undefined,
    retryAtUs: 0,
    heldBytes: 0,
    delivered: false,
    evicted: false,
    tally: emptyTally(),
    unannounced: [],
    unreported: true,
  };
}

/** Whether a content is to be had and still to be fetched. */
export function isToFetch({ wanted, state }: ContentEntry): boolean {
  return wanted && (state === "waiting" || state === "downloading");
}

/** Gives an entry its manifest and what is held from the start. */
export function learnManifest(
  entry: ContentEntry,
  signed: Uint8Array,
  manifest: Manifest,
  options: { readonly pieces: Uint8Array | undefined; readonly prng: Prng },
): Known {
  const size = manifest.pieces.length;
  const held = (options.pieces && Bitset.fromBytes(size, options.pieces)) ?? new Bitset(size);
  const picker = new PiecePicker(held, options.prng);
  const story = new Story(size);
  const known: Known = { signed, manifest, held, picker, story, lineSource: undefined };
  entry.known = known;
  entry.heldBytes = countHeldBytes(known);
  return known;
}

/** Pieces that are no longer there do not count, nor are they announced. */
export function dropPieces(entry: ContentEntry, isGone: (piece: number) => boolean): void {
  const { known } = entry;
  if (known === undefined) return;
  for (let piece = 0; piece < known.held.size; piece += 1) {
    if (isGone(piece)) known.held.delete(piece);
  }
  entry.heldBytes = countHeldBytes(known);
  const announced = entry.unannounced.splice(0);
  entry.unannounced.push(...announced.filter((piece) => known.held.has(piece)));
}

/** How many bytes of a content are held. */
export function countHeldBytes(known: Known): number {
  return known.manifest.pieces.reduce(
    (bytes, piece, index) => bytes + (known.held.has(index) ? piece.sizeBytes : 0),
    0,
  );
}
