import type { Bitset } from "../base/bitset.ts";
import type { ContentId } from "../base/ids.ts";
import { MIB, SECOND } from "../base/units.ts";
import type { OriginFault, OriginInput } from "../effects/origin.ts";
import { originName } from "../swarm/origin-name.ts";
import type { Origin } from "../wire/messages.ts";
import { type ContentEntry, isToFetch, type Known } from "./content-entry.ts";
import { type Act, type Core, report, STORING_BYTES_MAX } from "./core.ts";

/** Most bytes that one request asks an origin for. */
export const RANGE_BYTES_MAX: number = MIB;

/** How many requests an origin has from us at a time. */
export const RANGES_MAX = 4;

/** How long an origin that failed is left alone, at first and at most. */
const BACKOFF_US = { min: SECOND, max: 60 * SECOND } as const;

/** After so many wrong answers an origin is not asked for that content for a while. */
const WRONG_MAX = 3;

/** How long that is. */
export const ORIGIN_SHUNNED_US: number = 600 * SECOND;

/** How long devices have to say what they hold of a content whose pieces we have just learnt. */
const ANSWER_US: number = 5 * SECOND;

/** How long nothing is looked for where nothing was lacking. */
const IDLE_US: number = SECOND;

/** How we stand with one origin, for one content or, where it cannot be reached, for all. */
type Standing = {
  wrong: number;
  backoffUs: number;
  restUntilUs: number;
  /** Whether it has done what no good origin does, and is left alone for long. */
  shunned: boolean;
};

/** The search for one content at the origins. */
type Search = {
  readonly sinceUs: number;
  readonly standings: Map<string, Standing>;
  /** Where the last range ended: the next one is looked for from there. */
  cursor: number;
  idleUntilUs: number;
  /** Whether origins are being asked: then they go on until a device above has something. */
  asking: boolean;
  /** What is said in the status while origins fail. */
  problem: string;
};

type UnderWay = {
  readonly contentId: ContentId;
  readonly known: Known;
  readonly location: string;
  readonly first: number;
  readonly last: number;
  readonly lengthBytes: number;
};

/**
 * Where packages come from when no device has them (row B12): the CDN, then file storage, by
 * ranges. Only the device that fetches for its office asks there, only for what no device offers.
 *
 * An origin is believed no more than a peer: every piece is verified, and one that sends wrong
 * bytes is left for the next.
 */
export class Origins {
  readonly #core: Core;
  readonly #searches = new Map<ContentId, Search>();
  readonly #underWay = new Map<number, UnderWay>();
  /** Origins that could not be reached. */
  readonly #unreached = new Map<string, Standing>();
  /** From which origin the pieces came that the store is verifying. */
  readonly #storing = new Map<string, string>();
  #origins: readonly Origin[] = [];
  #nextTicket = 1;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Whether there is any origin. */
  get any(): boolean {
    return this.#origins.length > 0;
  }

  /** The server says where packages are; the CDN stands before file storage. */
  onPolicy(act: Act, origins: readonly Origin[]): void {
    const cdn = origins.filter(({ kind }) => kind === "cdn");
    this.#origins = [...cdn, ...origins.filter(({ kind }) => kind !== "cdn")];
    for (const location of this.#unreached.keys()) {
      if (!origins.some((origin) => origin.location === location)) {
        this.#unreached.delete(location);
      }
    }
    this.fillAll(act);
  }

  onTick(act: Act): void {
    for (const contentId of this.#searches.keys()) {
      const entry = this.#core.contents.get(contentId);
      if (entry?.wanted !== true || entry.state === "complete") this.#searches.delete(contentId);
    }
    for (const entry of this.#core.contents.values()) {
      if (!isToFetch(entry) || entry.state !== "downloading" || !this.any) continue;
      const search = this.#search(act.nowUs, entry.contentId);
      search.asking = this.#isTurn(act, entry, search);
    }
    this.fillAll(act);
  }

  /** Asks for what is lacking, the most urgent content first. */
  fillAll(act: Act): void {
    if (this.#origins.length === 0) return;
    const active = [...this.#core.contents.values()].filter(
      (entry) => isToFetch(entry) && entry.state === "downloading",
    );
    for (const entry of active.sort((a, b) => a.priority - b.priority)) this.#fill(act, entry);
  }

  onInput(act: Act, input: OriginInput): void {
    const request = this.#underWay.get(input.ticket);
    if (request === undefined) return;
    this.#underWay.delete(input.ticket);
    const entry = this.#core.contents.get(request.contentId);
    const current = entry?.known === request.known ? entry : undefined;
    if (input.kind === "range-failed") {
      this.#settle(request);
      if (current) this.#onFault(act, current, request.location, input);
    } else if (input.bytes.length !== request.lengthBytes) {
      this.#settle(request);
      const problem = `${request.location} sent ${input.bytes.length} bytes for ${request.lengthBytes}.`;
      const failed = { fault: "wrong-length", problem } as const;
      if (current) this.#onFault(act, current, request.location, failed);
    } else if (current?.state === "downloading") {
      this.#store(act, current, request, input.bytes);
    } else {
      this.#settle(request);
    }
    this.fillAll(act);
  }

  /** The store has answered for a piece; says whether it came from an origin. */
  onStored(entry: ContentEntry, piece: number): boolean {
    const location = this.#storing.get(`${entry.contentId} ${piece}`);
    if (location === undefined) return false;
    this.#release(entry, piece);
    const search = this.#searches.get(entry.contentId);
    const standing = search?.standings.get(location);
    if (standing !== undefined) standing.backoffUs = BACKOFF_US.min;
    if (search !== undefined) clearProblem(entry, search);
    return true;
  }

  /** A piece could not be kept, whoever sent it; says whether it came from an origin. */
  onNotKept(entry: ContentEntry, piece: number): boolean {
    const came = this.#storing.has(`${entry.contentId} ${piece}`);
    if (came) this.#release(entry, piece);
    return came;
  }

  /** A piece did not verify; says whether it came from an origin. */
  onMismatch(act: Act, entry: ContentEntry, piece: number): boolean {
    const location = this.#storing.get(`${entry.contentId} ${piece}`);
    if (location === undefined) return false;
    this.#release(entry, piece);
    const { contentId } = entry;
    report(act, { kind: "piece-mismatched", contentId, piece, deviceId: location });
    entry.known?.story.onFailed(piece, `${location} sent wrong bytes`);
    const problem = `${location} sends other bytes than the package has.`;
    this.#onWrong(act, entry, { location, problem, by: 1 });
    this.fillAll(act);
    return true;
  }

  #fill(act: Act, entry: ContentEntry): void {
    const { known } = entry;
    const search = this.#searches.get(entry.contentId);
    if (known === undefined || search?.asking !== true || act.nowUs < search.idleUntilUs) return;
    // Who fetches for the office may have changed since it was last looked at.
    if (!this.#core.sources.fetches(entry)) return;
    const offers = this.#offers(entry);
    const origin = this.#origins.find(({ location }) => this.#isUsable(act, search, location));
    if (origin === undefined) return;
    while (
      this.#countUnderWay(origin.location) < RANGES_MAX &&
      this.#core.storingBytes < STORING_BYTES_MAX
    ) {
      const first = nextLacking(known, search.cursor, offers);
      if (first === undefined) {
        search.idleUntilUs = act.nowUs + IDLE_US;
        return;
      }
      this.#ask(act, entry, { known, search, origin, first, offers });
    }
  }

  /** Whether it has come to the origins: once it has, until a device above has something to give. */
  #isTurn(act: Act, entry: ContentEntry, search: Search): boolean {
    const { sources } = this.#core;
    if (!sources.fetches(entry) || !this.#hasOfficeSpoken(act, entry, search)) return false;
    if (sources.hierarchyExhausted(entry)) return true;
    return search.asking && !this.#isOfferedAbove(entry);
  }

  /** Whether those who have something have had time to say what, since we know the pieces. */
  #hasOfficeSpoken(act: Act, { contentId }: ContentEntry, { sinceUs }: Search): boolean {
    if (act.nowUs - sinceUs > ANSWER_US) return true;
    for (const link of this.#core.links.values()) {
      const asked = link.asked.get(contentId);
      const silent = asked?.offered === undefined && (asked?.manifestBytes ?? 0) > 0;
      if (silent && !this.#core.isDistrusted(link.deviceId)) return false;
    }
    return true;
  }

  /** Whether a device of an office above offers something that is missing. */
  #isOfferedAbove(entry: ContentEntry): boolean {
    for (const link of this.#core.links.values()) {
      if ((this.#core.view.level(link.deviceId) ?? 0) === 0) continue;
      const offered = link.asked.get(entry.contentId)?.offered;
      if (offered === undefined || offered.count === 0) continue;
      for (let piece = 0; piece < offered.size; piece += 1) {
        if (offered.has(piece) && entry.known?.picker.isMissing(piece)) return true;
      }
    }
    return false;
  }

  /** What devices of other offices offer that are asked for this content. */
  #offers(entry: ContentEntry): readonly Bitset[] {
    const offers: Bitset[] = [];
    for (const link of this.#core.links.values()) {
      const offered = link.asked.get(entry.contentId)?.offered;
      // What the own office offers is counted by the picker.
      if (offered === undefined || this.#core.view.sameOffice(link.deviceId)) continue;
      if (this.#core.sources.mayAsk(link, entry)) offers.push(offered);
    }
    return offers;
  }

  #isUsable(act: Act, search: Search, location: string): boolean {
    const general = this.#unreached.get(location);
    const special = search.standings.get(location);
    return act.nowUs >= (general?.restUntilUs ?? 0) && act.nowUs >= (special?.restUntilUs ?? 0);
  }

  #countUnderWay(location: string): number {
    let count = 0;
    for (const request of this.#underWay.values()) if (request.location === location) count += 1;
    return count;
  }

  #ask(
    act: Act,
    entry: ContentEntry,
    what: {
      readonly known: Known;
      readonly search: Search;
      readonly origin: Origin;
      readonly first: number;
      readonly offers: readonly Bitset[];
    },
  ): void {
    const { known, search, origin, first, offers } = what;
    const { pieces, sizeBytes: totalBytes } = known.manifest;
    const reason = `no device had it; the ${origin.kind === "cdn" ? "CDN" : "file storage"} did`;
    const source = { kind: "origin", location: origin.location } as const;
    const offsetBytes = pieces[first]?.offsetBytes ?? 0;
    let lengthBytes = 0;
    let next = first;
    while (next < pieces.length && isLacking(known, next, offers)) {
      const sizeBytes = pieces[next]?.sizeBytes ?? 0;
      if (next > first && lengthBytes + sizeBytes > RANGE_BYTES_MAX) break;
      lengthBytes += sizeBytes;
      known.picker.onAsked(next);
      known.story.onAsked(next, source, reason);
      next += 1;
    }
    search.cursor = next % pieces.length;
    const ticket = this.#nextTicket++;
    const { contentId } = entry;
    const { location } = origin;
    const standing = search.standings.get(location);
    if (standing !== undefined) standing.shunned = false;
    this.#underWay.set(ticket, { contentId, known, location, first, last: next - 1, lengthBytes });
    const name = originName(this.#core.options.crypto, contentId);
    act.outbox.fetchRange(ticket, { location, name, offsetBytes, lengthBytes, totalBytes });
  }

  #store(act: Act, entry: ContentEntry, request: UnderWay, bytes: Uint8Array): void {
    const { known, location, first, last } = request;
    let at = 0;
    for (let piece = first; piece <= last; piece += 1) {
      const sizeBytes = known.manifest.pieces[piece]?.sizeBytes ?? 0;
      const data = bytes.slice(at, at + sizeBytes);
      at += sizeBytes;
      entry.tally.originInBytes += sizeBytes;
      this.#core.storingBytes += sizeBytes;
      this.#storing.set(`${entry.contentId} ${piece}`, location);
      act.outbox.storePiece(entry.contentId, piece, data);
    }
  }

  #onFault(
    act: Act,
    entry: ContentEntry,
    location: string,
    failed: { readonly fault: OriginFault; readonly problem: string },
  ): void {
    const { fault, problem } = failed;
    if (fault === "ignores-ranges") this.#onWrong(act, entry, { location, problem, by: WRONG_MAX });
    else if (fault === "wrong-length") this.#onWrong(act, entry, { location, problem, by: 1 });
    else if (fault === "unreachable") {
      const standing = this.#unreached.get(location) ?? newStanding();
      this.#unreached.set(location, standing);
      this.#backOff(act, standing);
    } else {
      this.#backOff(act, this.#standing(act, entry.contentId, location));
    }
    this.#blame(act, entry, problem);
  }

  /** Says in the status why nothing comes. */
  #blame(act: Act, entry: ContentEntry, problem: string): void {
    this.#search(act.nowUs, entry.contentId).problem = problem;
    entry.problem = problem;
    entry.unreported = true;
  }

  /** An origin does what no good one does. */
  #onWrong(
    act: Act,
    entry: ContentEntry,
    what: { readonly location: string; readonly problem: string; readonly by: number },
  ): void {
    const standing = this.#standing(act, entry.contentId, what.location);
    if (standing.restUntilUs - act.nowUs > BACKOFF_US.max) return;
    standing.wrong += what.by;
    this.#backOff(act, standing);
    if (standing.wrong < WRONG_MAX) return;
    standing.wrong = 0;
    standing.restUntilUs = act.nowUs + ORIGIN_SHUNNED_US;
    standing.shunned = true;
    this.#blame(act, entry, what.problem);
    report(act, { kind: "source-shunned", source: what.location, why: what.problem });
  }

  /** Requests that were under way together fail together: that is one failure. */
  #backOff(act: Act, standing: Standing): void {
    if (act.nowUs < standing.restUntilUs) return;
    standing.restUntilUs = act.nowUs + standing.backoffUs;
    standing.backoffUs = Math.min(BACKOFF_US.max, 2 * standing.backoffUs);
  }

  #settle({ known, first, last }: UnderWay): void {
    for (let piece = first; piece <= last; piece += 1) known.picker.onSettled(piece);
  }

  #release(entry: ContentEntry, piece: number): void {
    const sizeBytes = entry.known?.manifest.pieces[piece]?.sizeBytes ?? 0;
    this.#core.storingBytes = Math.max(0, this.#core.storingBytes - sizeBytes);
    this.#storing.delete(`${entry.contentId} ${piece}`);
    entry.known?.picker.onSettled(piece);
  }

  #search(nowUs: number, contentId: ContentId): Search {
    const known = this.#searches.get(contentId);
    if (known !== undefined) return known;
    const search: Search = {
      sinceUs: nowUs,
      standings: new Map(),
      cursor: 0,
      idleUntilUs: 0,
      asking: false,
      problem: "",
    };
    this.#searches.set(contentId, search);
    return search;
  }

  #standing(act: Act, contentId: ContentId, location: string): Standing {
    const { standings } = this.#search(act.nowUs, contentId);
    const standing = standings.get(location) ?? newStanding();
    standings.set(location, standing);
    return standing;
  }
}

function newStanding(): Standing {
  return { wrong: 0, backoffUs: BACKOFF_US.min, restUntilUs: 0, shunned: false };
}

/** What comes shows that all is well again, unless an origin is left alone for what it did. */
function clearProblem(entry: ContentEntry, search: Search): void {
  if (search.problem === "" || entry.problem !== search.problem) return;
  for (const { shunned } of search.standings.values()) if (shunned) return;
  entry.problem = "";
  search.problem = "";
}

/** The next piece that nobody offers, from `cursor` on and round. */
function nextLacking(known: Known, cursor: number, offers: readonly Bitset[]): number | undefined {
  const { size } = known.held;
  for (let step = 0; step < size; step += 1) {
    const piece = (cursor + step) % size;
    if (isLacking(known, piece, offers)) return piece;
  }
  return undefined;
}

function isLacking({ picker }: Known, piece: number, offers: readonly Bitset[]): boolean {
  if (!picker.isMissing(piece) || picker.copiesOf(piece) > 0) return false;
  return !offers.some((offered) => offered.has(piece));
}
