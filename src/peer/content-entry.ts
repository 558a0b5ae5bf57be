import { Bitset } from "../base/bitset.ts";
import type { ContentId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { Manifest } from "../content/manifest.ts";
import { emptyTally, type Tally } from "../swarm/ledger.ts";
import type { Assembly } from "../swarm/piece-assembly.ts";
import { PiecePicker } from "../swarm/piece-picker.ts";
import { type ContentState, PRIORITY_STEP } from "../wire/messages.ts";
import { Story } from "./explanations.ts";
import type { Hold } from "./permits.ts";

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
  /** Why it is not fetched now though it is wanted. */
  hold: Hold;
  /** Lower is served first. */
  priority: number;
  /** How often an operator has had it tried again. */
  attempt: number;
  /** Whether a deployment has its signed action run. */
  runAction: boolean;
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
  /** Whether those who asked were told last that nothing more is fetched of it now. */
  restingSaid: boolean;
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
    hold: "none",
    // What no deployment names here is served as most others are.
    priority: PRIORITY_STEP,
    attempt: 0,
    runAction: false,
    problem: "",
    manifestAssembly: undefined,
    creating: undefined,
    retryAtUs: 0,
    heldBytes: 0,
    delivered: false,
    evicted: false,
    tally: emptyTally(),
    unannounced: [],
    restingSaid: false,
    unreported: true,
  };
}

/** Whether a deployment has a content brought here now. */
export function isAssigned({ wanted, hold }: ContentEntry): boolean {
  return wanted && hold === "none";
}

/** Whether a content is to be had and still to be fetched. */
export function isToFetch(entry: ContentEntry): boolean {
  return isAssigned(entry) && isUnfinished(entry);
}

/** Whether a content is lacking something here that is not fetched now. */
export function isResting(entry: ContentEntry): boolean {
  return !isAssigned(entry) && isUnfinished(entry);
}

function isUnfinished({ state }: ContentEntry): boolean {
  return state === "waiting" || state === "downloading";
}

/** Whether anything of a content has come from others, in this run of the program. */
export function isFetched({ tally }: ContentEntry): boolean {
  return tally.lanInBytes + tally.wanInBytes + tally.originInBytes > 0;
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
