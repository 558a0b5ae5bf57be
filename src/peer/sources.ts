import type { ContentId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";
import type { MemberEntry } from "../wire/messages.ts";
import { type ContentEntry, isToFetch } from "./content-entry.ts";
import type { Core } from "./core.ts";
import type { Link } from "./link.ts";

/** How long offices nearer to us may bring nothing before those behind them are asked as well. */
export const PATIENCE_US: number = 30 * SECOND;

/** How long a device may take to say whether it knows a content. */
const ANSWER_US = 5 * SECOND;

/** How long devices nearer to us may know nothing: the server tells not all in the same moment. */
const NEWS_US = 2 * SECOND;

/** After so many devices of an office that know nothing of a content, the others are not waited for. */
const ASKED_ENOUGH = 12;

/** How far we are with the search for one content. */
type Search = {
  readonly sinceUs: number;
  /** Up to how many offices above ours are asked; more than there are: the origins. */
  level: number;
  heldBytes: number;
  gainedAtUs: number;
  /** Whether the devices of our own office have had time to say what they hold. */
  officeAsked: boolean;
};

/**
 * In which order sources are asked (row B12): the own office, the parent office and so on up to the
 * Central Office, then the origins. Those further away come in where those nearer know nothing of a
 * content, cannot be reached, or have brought nothing for long.
 */
export class Sources {
  readonly #core: Core;
  readonly #searches = new Map<ContentId, Search>();

  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * Whether this device brings a content into its office: as its rendezvous point, in place of one
   * that is not to have the content, or not now, or because it shares with nobody (row B6, PF4).
   */
  fetches(entry: ContentEntry): boolean {
    const core = this.#core;
    const { deviceId } = core.options;
    const holder = core.succession.holder;
    if (!core.shares || holder === deviceId) return true;
    if (!this.#fetchesNothing(core.linkByDevice.get(holder), entry)) return false;
    for (const candidate of core.ranked) {
      if (candidate.deviceId === deviceId) return true;
      const link = core.linkByDevice.get(candidate.deviceId);
      if (link !== undefined && !this.#fetchesNothing(link, entry)) return false;
    }
    return true;
  }

  /** Whether a peer may be asked for pieces of a content now. */
  mayAsk(link: Link, entry: ContentEntry): boolean {
    if (this.#core.alone) return false;
    const level = this.#core.view.level(link.deviceId);
    if (level === 0) return true;
    if (level === undefined || !this.fetches(entry)) return false;
    return level <= (this.#searches.get(entry.contentId)?.level ?? 1);
  }

  /** With how many offices above ours there is something to talk about. */
  reach(): number {
    let reach = 0;
    for (const { level } of this.#searches.values()) reach = Math.max(reach, level);
    return Math.min(reach, this.#core.view.depth);
  }

  /** Whether no device above has the content, is to have it, or can be asked. */
  hierarchyExhausted(entry: ContentEntry): boolean {
    if (this.#core.alone) return true;
    const search = this.#searches.get(entry.contentId);
    return search?.officeAsked === true && search.level > this.#core.view.depth;
  }

  /**
   * Whether there is something of a content that this device would bring now: not so while those
   * above know the content and have nothing yet that is missing here.
   */
  isWaitingUpstream(entry: ContentEntry): boolean {
    let upstream = false;
    for (const link of this.#core.links.values()) {
      const level = this.#core.view.level(link.deviceId);
      if (level === undefined || level === 0) continue;
      const asked = link.asked.get(entry.contentId);
      if (asked?.answer !== "recognised") continue;
      upstream = true;
      if (this.offersMore(link, entry)) return false;
    }
    return upstream;
  }

  /** Looks anew at how far each content's search has come. */
  onTick(nowUs: number): void {
    const wanted = new Set<ContentId>();
    for (const entry of this.#core.contents.values()) {
      if (!isToFetch(entry) || !this.fetches(entry)) continue;
      wanted.add(entry.contentId);
      this.#advance(nowUs, entry);
    }
    for (const contentId of this.#searches.keys()) {
      if (!wanted.has(contentId)) this.#searches.delete(contentId);
    }
  }

  #advance(nowUs: number, entry: ContentEntry): void {
    const { heldBytes } = entry;
    const search: Search = this.#searches.get(entry.contentId) ?? {
      sinceUs: nowUs,
      level: 1,
      heldBytes,
      gainedAtUs: nowUs,
      officeAsked: false,
    };
    this.#searches.set(entry.contentId, search);
    if (search.heldBytes !== heldBytes) search.gainedAtUs = nowUs;
    search.heldBytes = heldBytes;
    let level = 1;
    while (level <= this.#core.view.depth && this.#isExhausted(nowUs, entry, { search, level })) {
      level += 1;
    }
    search.level = level;
    search.officeAsked ||= this.#officeHasAnswered(nowUs, entry, search);
  }

  #officeHasAnswered(nowUs: number, entry: ContentEntry, { sinceUs }: Search): boolean {
    if (!this.#core.shares || nowUs - sinceUs > ANSWER_US) return true;
    const mates = this.#core.view.officeMates().slice(0, ASKED_ENOUGH);
    return mates.every(({ deviceId, present }) => {
      const link = this.#core.linkByDevice.get(deviceId);
      if (link === undefined) return !present || this.#core.isUnreachable(nowUs, deviceId);
      return (link.asked.get(entry.contentId)?.answer ?? "pending") !== "pending";
    });
  }

  /** Whether nobody of an office is worth waiting for. */
  #isExhausted(
    nowUs: number,
    entry: ContentEntry,
    { search, level }: { readonly search: Search; readonly level: number },
  ): boolean {
    const early = nowUs - search.sinceUs < NEWS_US;
    let refused = 0;
    for (const member of this.#core.view.membersAt(level)) {
      const hope = this.#hopeOf(nowUs, entry, { search, member });
      if (hope === "some" || (hope === "refused" && early)) return false;
      if (hope === "refused") refused += 1;
      if (refused >= ASKED_ENOUGH) return true;
    }
    return true;
  }

  /** What may be expected of a device: that it brings something, or that it has said it will not. */
  #hopeOf(
    nowUs: number,
    entry: ContentEntry,
    { search, member }: { readonly search: Search; readonly member: MemberEntry },
  ): "some" | "refused" | "none" {
    const { deviceId, present } = member;
    const link = this.#core.linkByDevice.get(deviceId);
    if (link === undefined) {
      const there = present || this.#core.serverAway();
      return there && !this.#core.isUnreachable(nowUs, deviceId) ? "some" : "none";
    }
    if (this.#knowsNothing(link, entry)) return "refused";
    if (link.asked.get(entry.contentId)?.answer !== "recognised") {
      const askedAtUs = Math.max(link.upAtUs, search.sinceUs);
      return nowUs - askedAtUs < ANSWER_US ? "some" : "none";
    }
    if (this.#fetchesNothing(link, entry) && !this.offersMore(link, entry)) return "refused";
    const isBusy = this.#core.lineBusy.forUs > 0;
    const impatient = !isBusy && nowUs - search.gainedAtUs > PATIENCE_US;
    return !impatient || this.offersMore(link, entry) ? "some" : "none";
  }

  #knowsNothing(link: Link | undefined, entry: ContentEntry): boolean {
    return link?.asked.get(entry.contentId)?.answer === "unknown";
  }

  /** Whether nobody need wait for a device: it is not to have a content, or not now. */
  #fetchesNothing(link: Link | undefined, entry: ContentEntry): boolean {
    const asked = link?.asked.get(entry.contentId);
    return asked?.answer === "unknown" || (asked?.answer === "recognised" && asked.resting);
  }

  /** Whether a peer offers something of a content that is missing here. */
  offersMore(link: Link, entry: ContentEntry): boolean {
    const asked = link.asked.get(entry.contentId);
    const { known } = entry;
    if (known === undefined) return (asked?.manifestBytes ?? 0) > 0;
    const offered = asked?.offered;
    if (offered === undefined) return false;
    for (let piece = 0; piece < offered.size; piece += 1) {
      if (offered.has(piece) && !known.held.has(piece)) return true;
    }
    return false;
  }
}
