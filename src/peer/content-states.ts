import { Bitset } from "../base/bitset.ts";
import type { ContentId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";
import { decodeSignedManifest } from "../content/manifest-codec.ts";
import type { HeldContent, StorageInput } from "../effects/storage.ts";
import {
  type ContentEntry,
  dropPieces,
  isAssigned,
  isResting,
  learnManifest,
} from "./content-entry.ts";
import type { Conversations } from "./conversations.ts";
import { type Act, type Core, report } from "./core.ts";
import type { Downloads } from "./downloads.ts";
import type { Evictions } from "./evictions.ts";
import { type Explanations, OWN_REASONS } from "./explanations.ts";
import type { Link } from "./link.ts";
import { FROM_SERVER } from "./manifests.ts";
import type { Origins } from "./origins.ts";
import type { Permit } from "./permits.ts";
import type { Rechecks } from "./rechecks.ts";
import type { ServerLink } from "./server-link.ts";

/** How long a content that could not be kept waits before it is tried again. */
const RETRY_US = 30 * SECOND;

/** Said of a content that the cache let go of before it was handed over. */
const EVICTED_PROBLEM =
  "The cache let go of it before it was complete: there was no room. It is fetched again.";

/** What the states of contents lead to. */
export type StateParts = {
  readonly conversations: Conversations;
  readonly downloads: Downloads;
  readonly origins: Origins;
  readonly rechecks: Rechecks;
  readonly evictions: Evictions;
  readonly explanations: Explanations;
  readonly server: ServerLink;
};

/**
 * Where each content stands.
 *
 * ```text
 * waiting --manifest, room--> downloading --all pieces--> checking --verified--> complete
 *    ^                             ^                         |
 *    |                             +----- pieces wrong ------+ <-- a piece rotted -- complete
 *    +-- RETRY_US -- failed <-- no room, manifest not acceptable
 * ```
 */
export class ContentStates {
  readonly #core: Core;
  readonly #conversations: Conversations;
  readonly #downloads: Downloads;
  readonly #origins: Origins;
  readonly #rechecks: Rechecks;
  readonly #evictions: Evictions;
  readonly #explanations: Explanations;
  readonly #server: ServerLink;
  readonly #readManifest: typeof decodeSignedManifest;
  #hasNews = false;
  #cancelled: ReadonlySet<ContentId> = new Set();

  constructor(core: Core, parts: StateParts) {
    this.#core = core;
    this.#conversations = parts.conversations;
    this.#downloads = parts.downloads;
    this.#origins = parts.origins;
    this.#rechecks = parts.rechecks;
    this.#evictions = parts.evictions;
    this.#explanations = parts.explanations;
    this.#server = parts.server;
    this.#readManifest = core.options.readManifest ?? decodeSignedManifest;
  }

  /** What the store holds at the start. */
  restore(contents: readonly HeldContent[]): void {
    for (const { contentId, manifest, pieces, finished, delivered } of contents) {
      const decoded = this.#readManifest(manifest);
      if (!decoded.ok) continue;
      const entry = this.#core.entry(contentId);
      learnManifest(entry, manifest, decoded.value.manifest, { pieces, prng: this.#core.prng });
      entry.delivered = delivered;
      // What was handed over and then let go of is not fetched again.
      const sizeBytes = decoded.value.manifest.sizeBytes;
      entry.evicted = delivered && entry.heldBytes === 0 && sizeBytes > 0;
      entry.state = finished || entry.evicted ? "complete" : "downloading";
      this.#explanations.restore(entry);
    }
  }

  /** All that this device is to have, and what of it may be fetched now. */
  onPermits(act: Act, permits: ReadonlyMap<ContentId, Permit>): void {
    for (const entry of this.#core.contents.values()) {
      if (permits.has(entry.contentId) || !entry.wanted) continue;
      entry.wanted = false;
      this.#rest(act, entry);
    }
    for (const [contentId, permit] of permits) {
      this.#onPermit(act, this.#core.entry(contentId), permit);
    }
    this.#evictions.refresh(act);
  }

  /** The contents of deployments that were cancelled: what is unfinished of them is let go of. */
  onCancelled(act: Act, contentIds: readonly ContentId[]): void {
    this.#cancelled = new Set(contentIds);
    for (const contentId of contentIds) {
      const entry = this.#core.contents.get(contentId);
      if (entry !== undefined) this.#letGo(act, entry);
    }
  }

  #letGo(act: Act, entry: ContentEntry): void {
    const { contentId, wanted, delivered, state, known, evicted } = entry;
    if (wanted || delivered || state === "complete" || state === "checking") return;
    if (state === "waiting" && (known === undefined || evicted)) return;
    entry.state = "waiting";
    entry.problem = "";
    this.#evictions.refresh(act);
    act.outbox.purge(contentId);
  }

  #onPermit(act: Act, entry: ContentEntry, permit: Permit): void {
    const { wanted } = entry;
    const wasAssigned = isAssigned(entry);
    entry.wanted = true;
    entry.hold = permit.hold;
    entry.priority = permit.priority;
    entry.runAction = permit.runAction;
    if (permit.attempt > entry.attempt) entry.retryAtUs = 0;
    entry.attempt = permit.attempt;
    this.#server.noteProgress(act, entry, true);
    if (!wanted && entry.state === "complete") this.#handOver(act, entry);
    else if (!wasAssigned && isAssigned(entry)) this.#begin(act, entry);
    else if (!isAssigned(entry)) this.#rest(act, entry);
  }

  /** Whether anything has come to be fetched since this was last asked. */
  takeNews(): boolean {
    const hadNews = this.#hasNews;
    this.#hasNews = false;
    return hadNews;
  }

  /** A content is to be fetched from now on, for the first time or again. */
  #begin(act: Act, entry: ContentEntry): void {
    const { contentId } = entry;
    this.#hasNews = true;
    for (const link of this.#core.links.values()) this.#conversations.open(act, link, contentId);
    if (entry.evicted) this.#makeRoomAgain(act, entry);
    this.#finishWhenWhole(act, entry);
    this.#conversations.sayWhetherResting(act, entry);
  }

  /** Nothing more of a content is to be fetched for now: what has begun to arrive may end. */
  #rest(act: Act, entry: ContentEntry): void {
    const { contentId } = entry;
    this.#downloads.takeBack(act, (_, pending) => pending.contentId === contentId);
    this.#finishWhenWhole(act, entry);
    if (isResting(entry)) this.#conversations.sayWhetherResting(act, entry);
  }

  /** The operator published a content that the store holds. */
  onPublished(act: Act, contentId: ContentId, manifest: Uint8Array): void {
    const decoded = this.#readManifest(manifest);
    if (!decoded.ok) return;
    const entry = this.#core.entry(contentId);
    const { held, story } = learnManifest(entry, manifest, decoded.value.manifest, {
      pieces: undefined,
      prng: this.#core.prng,
    });
    held.fill();
    story.onHeld(held, OWN_REASONS.published);
    entry.heldBytes = decoded.value.manifest.sizeBytes;
    entry.state = "complete";
    entry.evicted = false;
    this.#conversations.restate(act, entry);
    this.#server.noteProgress(act, entry, true);
  }

  onStorage(act: Act, input: StorageInput): void {
    const contentId = input.kind === "piece-read" ? undefined : input.contentId;
    const entry = contentId && this.#core.contents.get(contentId);
    if (!entry) return;
    switch (input.kind) {
      case "piece-read":
        // For others: it concerns no state.
        break;
      case "piece-rechecked":
        this.#onRechecked(act, entry, input);
        break;
      case "content-evicted":
        this.#onEvicted(act, entry);
        break;
      case "content-created":
        this.#onCreated(act, entry, input.pieces);
        break;
      case "content-refused":
        this.#onRefused(act, entry, input);
        break;
      case "piece-stored":
        this.#onStored(act, entry, input.piece);
        break;
      case "piece-rejected":
        this.#onRejected(act, entry, input);
        break;
      case "content-finished":
        entry.state = "complete";
        entry.delivered = true;
        entry.problem = "";
        report(act, { kind: "content-finished", contentId: entry.contentId });
        this.#server.noteProgress(act, entry, true);
        this.#explanations.keep(act, entry);
        this.#evictions.refresh(act);
        break;
      case "content-unfinished":
        this.#onUnfinished(act, entry, input);
        break;
    }
  }

  /** Tries again what failed long enough ago. */
  onTick(act: Act): void {
    for (const entry of this.#core.contents.values()) {
      if (entry.state !== "failed" || !entry.wanted || act.nowUs < entry.retryAtUs) continue;
      entry.state = entry.known === undefined || entry.evicted ? "waiting" : "downloading";
      if (entry.evicted) this.#makeRoomAgain(act, entry);
      for (const link of this.#core.links.values()) {
        this.#conversations.open(act, link, entry.contentId);
      }
      this.#finishWhenWhole(act, entry);
    }
  }

  /** A peer turned out to be in our office, or no longer in it: what it offers counts otherwise. */
  onOfficeChanged(act: Act, link: Link, wasSame: boolean): void {
    for (const asked of link.asked.values()) {
      const picker = this.#core.contents.get(asked.contentId)?.known?.picker;
      const { offered } = asked;
      if (wasSame && picker !== undefined && offered !== undefined) {
        for (let piece = 0; piece < offered.size; piece += 1) {
          if (offered.has(piece)) picker.onWithdrawn(piece);
        }
      }
      asked.offered = undefined;
      this.#conversations.open(act, link, asked.contentId);
    }
  }

  #onCreated(act: Act, entry: ContentEntry, pieces: Uint8Array): void {
    const signed = entry.creating?.signed;
    entry.creating = undefined;
    const decoded = signed && this.#readManifest(signed);
    if (signed === undefined || decoded?.ok !== true) return;
    const { manifest } = decoded.value;
    const known = learnManifest(entry, signed, manifest, { pieces, prng: this.#core.prng });
    known.story.onHeld(known.held, OWN_REASONS.shared);
    entry.tally.cacheInBytes += entry.heldBytes;
    entry.evicted = false;
    entry.state = "downloading";
    entry.problem = "";
    const { contentId } = entry;
    report(act, { kind: "content-started", contentId, pieces: manifest.pieces.length });
    this.#conversations.restate(act, entry);
    this.#server.noteProgress(act, entry);
    this.#evictions.refresh(act);
    this.#finishWhenWhole(act, entry);
    // The store was making room for it when the deployment was cancelled.
    if (this.#cancelled.has(contentId)) this.#letGo(act, entry);
  }

  #onRefused(
    act: Act,
    entry: ContentEntry,
    refused: Extract<StorageInput, { kind: "content-refused" }>,
  ): void {
    const { creating } = entry;
    entry.creating = undefined;
    entry.manifestAssembly = undefined;
    if (refused.cause === "manifest" && creating !== undefined) {
      this.#downloads.onManifestRefused(act, entry, creating.association);
      const others = [...this.#core.links.values()].some(
        (link) => (link.asked.get(entry.contentId)?.manifestBytes ?? 0) > 0,
      );
      if (others) {
        this.#downloads.fillAll(act);
        return;
      }
    }
    this.#fail(act, entry, refused.problem);
  }

  #onStored(act: Act, entry: ContentEntry, piece: number): void {
    const { known } = entry;
    if (known === undefined) return;
    if (!this.#origins.onStored(entry, piece)) this.#downloads.onPieceStored(entry, piece);
    if (!known.held.add(piece)) return;
    entry.heldBytes += known.manifest.pieces[piece]?.sizeBytes ?? 0;
    entry.unannounced.push(piece);
    this.#server.noteProgress(act, entry);
    this.#finishWhenWhole(act, entry);
    this.#downloads.fillAll(act);
    this.#origins.fillAll(act);
  }

  #onRejected(
    act: Act,
    entry: ContentEntry,
    rejected: Extract<StorageInput, { kind: "piece-rejected" }>,
  ): void {
    if (rejected.cause === "disk") {
      if (!this.#origins.onNotKept(entry, rejected.piece)) {
        this.#downloads.onPieceSettled(entry, rejected.piece);
      }
      this.#fail(act, entry, rejected.problem);
      return;
    }
    if (this.#origins.onMismatch(act, entry, rejected.piece)) return;
    this.#downloads.onMismatch(act, entry, rejected.piece);
  }

  #onUnfinished(
    act: Act,
    entry: ContentEntry,
    unfinished: Extract<StorageInput, { kind: "content-unfinished" }>,
  ): void {
    const { known } = entry;
    if (known === undefined) return;
    const held = Bitset.fromBytes(known.held.size, unfinished.pieces);
    dropPieces(entry, (piece) => held?.has(piece) !== true);
    if (known.held.full) {
      this.#fail(act, entry, unfinished.problem);
      return;
    }
    entry.state = "downloading";
    entry.problem = unfinished.problem;
    this.#conversations.restate(act, entry);
    this.#server.noteProgress(act, entry, true);
  }

  /** A piece that somebody doubted has been hashed again: a wrong one is fetched elsewhere. */
  #onRechecked(
    act: Act,
    entry: ContentEntry,
    rechecked: Extract<StorageInput, { kind: "piece-rechecked" }>,
  ): void {
    this.#rechecks.onRechecked(act, rechecked);
    if (rechecked.intact || entry.known?.held.has(rechecked.piece) !== true) return;
    dropPieces(entry, (piece) => piece === rechecked.piece);
    entry.known.story.onFailed(rechecked.piece, "it was found damaged on this disk");
    if (entry.state === "complete") entry.state = "downloading";
    entry.problem = "Pieces on this disk were damaged and are fetched again: check the disk.";
    this.#conversations.restate(act, entry);
    this.#server.noteProgress(act, entry, true);
  }

  /** The cache has let go of a content. What was handed over stays so, and is not fetched again. */
  #onEvicted(act: Act, entry: ContentEntry): void {
    dropPieces(entry, () => true);
    entry.evicted = true;
    report(act, { kind: "content-evicted", contentId: entry.contentId });
    if (entry.delivered) entry.state = "complete";
    else if (entry.wanted) this.#fail(act, entry, EVICTED_PROBLEM);
    else entry.state = "waiting";
    this.#conversations.restate(act, entry);
    this.#server.noteProgress(act, entry, true);
  }

  /** The store has to make room anew for what it let go of. */
  #makeRoomAgain(act: Act, entry: ContentEntry): void {
    if (entry.known === undefined || entry.creating !== undefined) return;
    entry.creating = { signed: entry.known.signed, association: FROM_SERVER };
    act.outbox.createContent(entry.contentId, entry.known.signed);
  }

  #finishWhenWhole(act: Act, entry: ContentEntry): void {
    if (entry.state !== "downloading" || entry.known?.held.full !== true || !entry.wanted) return;
    entry.state = "checking";
    act.outbox.finishContent(entry.contentId);
    this.#server.noteProgress(act, entry, true);
  }

  /** What this device published is handed over here too, once a deployment wants it here. */
  #handOver(act: Act, entry: ContentEntry): void {
    if (entry.delivered) return;
    entry.state = "checking";
    act.outbox.finishContent(entry.contentId);
  }

  #fail(act: Act, entry: ContentEntry, problem: string): void {
    entry.state = "failed";
    entry.problem = problem;
    entry.retryAtUs = act.nowUs + RETRY_US;
    report(act, { kind: "content-failed", contentId: entry.contentId, problem });
    this.#server.noteProgress(act, entry, true);
  }
}
