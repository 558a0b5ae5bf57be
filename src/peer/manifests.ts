import type { ContentId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";
import { Assembly } from "../swarm/piece-assembly.ts";
import { MANIFEST_BYTES_MAX, type ManifestPart, type Message } from "../wire/messages.ts";
import { type ContentEntry, isAssigned } from "./content-entry.ts";
import type { Act, Core } from "./core.ts";

/** How often the server is asked for the manifest of one content. */
export const MANIFEST_WANTED_US: number = 10 * SECOND;

/** How many manifests the server brings at a time: each may take much memory. */
const UNDER_WAY_MAX = 4;

/** Stands for the server where an association names who brought a manifest. */
export const FROM_SERVER = -1;

type Arrival = { wantedAtUs: number; assembly: Assembly | undefined };

/** Manifests from the server, for contents that no device within reach has (row B12). */
export class Manifests {
  readonly #core: Core;
  readonly #tellServer: (act: Act, message: Message) => boolean;
  readonly #arrivals = new Map<ContentId, Arrival>();

  /** @param tellServer - Says something to the server; `false` where it is away. */
  constructor(core: Core, tellServer: (act: Act, message: Message) => boolean) {
    this.#core = core;
    this.#tellServer = tellServer;
  }

  /** Asks for what is lacking; only where there are origins to ask for the pieces. */
  onTick(act: Act, hasOrigins: boolean): void {
    for (const contentId of this.#arrivals.keys()) {
      if (!isLacking(this.#core.contents.get(contentId))) this.#arrivals.delete(contentId);
    }
    if (!hasOrigins) return;
    for (const entry of this.#core.contents.values()) {
      if (isLacking(entry) && this.#isTurn(act, entry)) this.#want(act, entry.contentId);
    }
  }

  #want(act: Act, contentId: ContentId): void {
    const arrival = this.#arrivals.get(contentId);
    if (arrival === undefined && this.#arrivals.size >= UNDER_WAY_MAX) return;
    if (arrival !== undefined && act.nowUs - arrival.wantedAtUs < MANIFEST_WANTED_US) return;
    if (!this.#tellServer(act, { kind: "manifest-wanted", contentId })) return;
    // What came of an earlier answer is of no use: a new one begins at its beginning.
    this.#arrivals.set(contentId, { wantedAtUs: act.nowUs, assembly: undefined });
  }

  /** The server brings a part of a manifest. */
  onPart(act: Act, part: ManifestPart): void {
    const { contentId, offsetBytes, totalBytes, data } = part;
    const entry = this.#core.contents.get(contentId);
    const arrival = this.#arrivals.get(contentId);
    if (entry === undefined || arrival === undefined || !isLacking(entry)) return;
    if (totalBytes === 0 || totalBytes > MANIFEST_BYTES_MAX) return;
    if (arrival.assembly?.sizeBytes !== totalBytes) arrival.assembly = new Assembly(totalBytes);
    if (!arrival.assembly.add(offsetBytes, data).ok) return;
    // While parts come it is not asked again.
    arrival.wantedAtUs = act.nowUs;
    if (!arrival.assembly.complete) return;
    const signed = arrival.assembly.bytes;
    this.#arrivals.delete(contentId);
    entry.manifestAssembly = undefined;
    entry.creating = { signed, association: FROM_SERVER };
    act.outbox.createContent(contentId, signed);
  }

  #isTurn({ nowUs }: Act, entry: ContentEntry): boolean {
    const { sources } = this.#core;
    if (nowUs < entry.retryAtUs || !sources.fetches(entry)) return false;
    return sources.hierarchyExhausted(entry);
  }
}

function isLacking(entry: ContentEntry | undefined): boolean {
  if (entry === undefined) return false;
  const { state, known, creating } = entry;
  const isLeft = !isAssigned(entry) || state !== "waiting";
  return !isLeft && known === undefined && creating === undefined;
}
