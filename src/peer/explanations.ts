import type { Bitset } from "../base/bitset.ts";
import type { ContentId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";
import type { Manifest } from "../content/manifest.ts";
import { decodeCbor, encodeCbor } from "../wire/cbor.ts";
import { byteString, type Codec, field, list, structure, text } from "../wire/codec.ts";
import { EXPLAINED_MAX, type PieceSource, pieceSource } from "../wire/messages.ts";
import type { ContentEntry } from "./content-entry.ts";
import type { Explanation } from "./contract.ts";
import type { Act, Core } from "./core.ts";

/** How many different sources, and reasons, are told apart for one content. */
const KNOWN_MAX = EXPLAINED_MAX;

/** About how many pieces it is known at a time why they have to be asked for again. */
const FAILURES_MAX = 4_096;

/** How often what is known of a content that is being fetched is kept. */
const REMEMBER_US = 30 * SECOND;

const UNKNOWN: PieceSource = { kind: "unknown" };
const OWN_CACHE: PieceSource = { kind: "own-cache" };

/** Reasons why pieces were in the own cache. */
export const OWN_REASONS = {
  shared: "another content in the cache has the same pieces",
  held: "held when the agent started; where it came from was not kept",
  published: "published on this device",
} as const;

/**
 * Where each piece of one content was last asked for and why: two bytes a piece, and two short
 * tables. For a piece that is held this is where it came from, since it is not asked for again.
 */
export class Story {
  readonly #sourceOf: Uint8Array;
  readonly #reasonOf: Uint8Array;
  readonly #sources: Table<PieceSource>;
  readonly #reasons: Table<string>;
  readonly #failures = new Map<number, string>();
  /** Whether something has been written since it was last kept. */
  changed = false;

  constructor(pieces: number) {
    this.#sourceOf = new Uint8Array(pieces);
    this.#reasonOf = new Uint8Array(pieces);
    this.#sources = new Table(UNKNOWN, sourceKey);
    this.#reasons = new Table("", (reason) => reason);
  }

  /** A piece is asked for: of whom and why. What went wrong with it before is the better reason. */
  onAsked(piece: number, source: PieceSource, reason: string): void {
    const failure = this.#failures.get(piece);
    this.#failures.delete(piece);
    this.#write(piece, source, failure === undefined ? reason : `asked again after ${failure}`);
  }

  /** What was asked for did not come, or was wrong: why it will be asked for again. */
  onFailed(piece: number, what: string): void {
    if (this.#failures.size >= FAILURES_MAX) this.#failures.clear();
    this.#failures.set(piece, what);
  }

  /** Pieces that are held without having been asked for. */
  onHeld(held: Bitset, reason: string): void {
    for (let piece = 0; piece < held.size; piece += 1) {
      if (held.has(piece) && this.#sourceOf[piece] === 0) this.#write(piece, OWN_CACHE, reason);
    }
  }

  /** All that is known of the pieces that are held. */
  explain(manifest: Manifest, held: Bitset): Pick<Explanation, "ranges" | "totals"> {
    const ranges: { first: number; last: number; source: PieceSource; reason: string }[] = [];
    const totals = new Map<number, { source: PieceSource; pieces: number; bytes: number }>();
    let before = -1;
    for (const [piece, { sizeBytes }] of manifest.pieces.entries()) {
      if (!held.has(piece)) continue;
      const index = this.#sourceOf[piece] ?? 0;
      const source = this.#sources.at(index);
      const total = totals.get(index) ?? { source, pieces: 0, bytes: 0 };
      total.pieces += 1;
      total.bytes += sizeBytes;
      totals.set(index, total);
      const range = ranges.at(-1);
      if (range?.last === piece - 1 && this.#isLike(before, piece)) range.last = piece;
      else {
        const reason = this.#reasons.at(this.#reasonOf[piece] ?? 0);
        ranges.push({ first: piece, last: piece, source, reason });
      }
      before = piece;
    }
    return { ranges, totals: [...totals.values()] };
  }

  /** As it is kept over restarts. */
  encode(): Uint8Array {
    return encodeCbor(
      KEPT.encode({
        sources: this.#sources.values,
        reasons: this.#reasons.values,
        sourceOf: this.#sourceOf,
        reasonOf: this.#reasonOf,
      }),
    );
  }

  /** Takes what was kept; anything that does not fit has no effect. */
  restore(bytes: Uint8Array): void {
    const value = decodeCbor(bytes);
    const kept = value === undefined ? undefined : KEPT.decode(value);
    const pieces = this.#sourceOf.length;
    if (kept?.sourceOf.length !== pieces || kept.reasonOf.length !== pieces) return;
    for (let piece = 0; piece < pieces; piece += 1) {
      const source = kept.sources[kept.sourceOf[piece] ?? 0];
      const reason = kept.reasons[kept.reasonOf[piece] ?? 0];
      if (source === undefined || reason === undefined) continue;
      if (source.kind !== "unknown") this.#write(piece, source, reason);
    }
    this.changed = false;
  }

  #write(piece: number, source: PieceSource, reason: string): void {
    this.#sourceOf[piece] = this.#sources.indexOf(source);
    this.#reasonOf[piece] = this.#reasons.indexOf(reason);
    this.changed = true;
  }

  #isLike(a: number, b: number): boolean {
    return this.#sourceOf[a] === this.#sourceOf[b] && this.#reasonOf[a] === this.#reasonOf[b];
  }
}

/** Keeps what is known of each content over restarts, and tells it. */
export class Explanations {
  readonly #core: Core;
  #keepAtUs = 0;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Why each piece of a content came from where it came; `undefined` for one that is not known. */
  explain(contentId: ContentId): Explanation | undefined {
    const known = this.#core.contents.get(contentId)?.known;
    if (known === undefined) return undefined;
    const { manifest, held, story } = known;
    return { contentId, pieces: manifest.pieces.length, ...story.explain(manifest, held) };
  }

  /** What was kept of a content that the store holds at the start. */
  restore({ contentId, known }: ContentEntry): void {
    if (known === undefined) return;
    const kept = this.#core.options.remembered.get(keptName(contentId));
    if (kept !== undefined) known.story.restore(kept);
    known.story.onHeld(known.held, OWN_REASONS.held);
  }

  keep(act: Act, { contentId, known }: ContentEntry): void {
    if (known?.story.changed !== true) return;
    known.story.changed = false;
    act.outbox.remember(keptName(contentId), known.story.encode());
  }

  onTick(act: Act): void {
    if (act.nowUs < this.#keepAtUs) return;
    this.#keepAtUs = act.nowUs + REMEMBER_US;
    for (const entry of this.#core.contents.values()) this.keep(act, entry);
  }
}

/** The device behind a link, as a source. */
export function deviceSource(
  core: Core,
  device: { readonly deviceId: string; readonly host: string },
): PieceSource {
  const { deviceId, host } = device;
  const office = core.view.member(deviceId)?.office;
  const kind = core.view.sameOffice(deviceId) ? "office-device" : "far-device";
  return { kind, deviceId, host, ...(office === undefined ? {} : { office }) };
}

/** Values by a small number, each once; what does not fit any more is the first one. */
class Table<T> {
  readonly values: T[];
  readonly #indexByKey = new Map<string, number>();
  readonly #key: (value: T) => string;

  constructor(first: T, key: (value: T) => string) {
    this.#key = key;
    this.values = [first];
    this.#indexByKey.set(key(first), 0);
  }

  indexOf(value: T): number {
    const key = this.#key(value);
    const known = this.#indexByKey.get(key);
    if (known !== undefined) return known;
    if (this.values.length >= KNOWN_MAX) return 0;
    this.#indexByKey.set(key, this.values.length);
    return this.values.push(value) - 1;
  }

  at(index: number): T {
    const [first] = this.values as [T, ...T[]];
    return this.values[index] ?? first;
  }
}

function keptName(contentId: ContentId): string {
  return `explain/${contentId}`;
}

function sourceKey({ kind, deviceId, host, office, location }: PieceSource): string {
  return [kind, deviceId ?? "", host ?? "", office ?? "", location ?? ""].join("\n");
}

type Kept = {
  readonly sources: readonly PieceSource[];
  readonly reasons: readonly string[];
  /** For each piece its index in `sources`. */
  readonly sourceOf: Uint8Array;
  readonly reasonOf: Uint8Array;
};

const KEPT: Codec<Kept> = structure<Kept>({
  sources: field(1, list(pieceSource, KNOWN_MAX)),
  reasons: field(2, list(text(2_048), KNOWN_MAX)),
  sourceOf: field(3, byteString(0, Number.MAX_SAFE_INTEGER)),
  reasonOf: field(4, byteString(0, Number.MAX_SAFE_INTEGER)),
});
