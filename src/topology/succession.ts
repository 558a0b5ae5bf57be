import type { DeviceId } from "../base/ids.ts";
import { KIB, MS, SECOND } from "../base/units.ts";
import { type Candidate, spaceClass } from "./election.ts";

/** How often a rendezvous point says that it is one. */
export const CLAIM_EVERY_US: number = 500 * MS;

/** How long nothing is heard of a rendezvous point before the next one takes over. */
export const CLAIM_SILENCE_US: number = 2 * SECOND;

/** So many claims may be lost in a row, where they are said more rarely. */
const CLAIMS_LOST_MAX = 4;

/**
 * A holder whose claims come late, because its machine is overloaded, is given so many times its
 * longest pause of late, and at most this long.
 */
const PAUSES = 3;
export const CLAIM_SILENCE_US_MAX: number = 10 * SECOND;

/** Of a long pause so much is still counted at the next claim. */
const PAUSE_DECAY = 0.95;

/** How long one that wants to bring something may bring nothing before the next one takes over. */
export const BARREN_US: number = 10 * SECOND;

/** Less than this counts as nothing: a line that carries 6 kbit/s and less is no line. */
export const BARREN_BYTES: number = 8 * KIB;

/** How long one that was silent, or brought nothing, is passed over. */
const PASSED_OVER_US = { silent: 30 * SECOND, barren: 60 * SECOND } as const;

/** How long a candidate must be of a better class before it takes over from one that works. */
export const INCUMBENT_US: number = 600 * SECOND;

/** After this time in office without a word against it, a first rendezvous point has a term. */
const FIRST_TERM_US = 3 * SECOND;

/** Of the time between two ticks, so much counts at most: we may have slept, not the others. */
const TICK_US_MAX = 500 * MS;

/** The highest term there is. */
const TERM_MAX = 0xff_ff_ff_ff;

/** What a rendezvous point says of itself. */
export type HeardClaim = {
  readonly term: number;
  readonly everyUs: number;
  /** Whether there is something that it would bring into the office now. */
  readonly wants: boolean;
  /** Bytes of pieces that it has brought into the office since its start. */
  readonly broughtBytes: number;
};

/** What this device knows of itself at a tick. */
export type OwnWork = Pick<HeardClaim, "wants" | "broughtBytes"> & {
  /** Whether it looks for its office's rendezvous point, and could hear it. */
  readonly listening: boolean;
};

type Holder = {
  readonly deviceId: DeviceId;
  readonly term: number;
  everyUs: number;
  wants: boolean;
  heardAtUs: number;
  /** Whether it has claimed itself, or is only expected to. */
  claimed: boolean;
  /** The longest pause between two claims, of late. */
  pauseUs: number;
  /** For how long it has brought nothing though it wants to, and how much it had brought before. */
  barrenUs: number;
  barrenAtBytes: number;
  /** When that was looked at last. */
  notedAtUs: number;
  readonly sinceUs: number;
  /** Since when there is a candidate of a better class. */
  outclassedSinceUs: number;
};

/** For how long a device is passed over, and under which term it was. */
type PassedOver = {
  readonly why: keyof typeof PASSED_OVER_US;
  readonly untilUs: number;
  readonly term: number;
};

/**
 * Who fetches for an office, as one device sees it; all devices come to the same view without
 * anybody who counts votes.
 *
 * Whoever ranks best holds the office until it is silent, brings nothing though it wants to, or is
 * a class worse than another for ten minutes. Its successor is the best of the rest, under the next
 * term. Of two claims the greater term holds, and of equal terms the better rank.
 *
 * Time is counted only as far as this device was awake: one that slept would else take everyone
 * for dead.
 */
export class Succession {
  readonly #self: DeviceId;
  #ranked: readonly Candidate[] = [];
  #rankOf = new Map<DeviceId, number>();
  #holder: Holder | undefined;
  /** The greatest term heard or held. */
  #term = 0;
  readonly #passedOver = new Map<DeviceId, PassedOver>();
  #tickedAtUs: number | undefined;
  #awakeUs = 0;

  constructor(self: DeviceId) {
    this.#self = self;
  }

  /** The device that fetches for the office. */
  get holder(): DeviceId {
    return this.#holder?.deviceId ?? this.#self;
  }

  /** Under which term this device holds the office; meaningless where it does not. */
  get term(): number {
    return this.#holder?.term ?? 0;
  }

  /** Says who could hold the office, this device among them, the best first. */
  setCandidates(ranked: readonly Candidate[]): void {
    this.#ranked = ranked;
    this.#rankOf = new Map(ranked.map(({ deviceId }, rank) => [deviceId, rank]));
    const holder = this.#holder;
    if (holder === undefined) this.#choose(false);
    // Nobody has said anything yet: the ranking alone decides, and it has changed.
    else if (holder.term === 0 && this.#best() !== holder.deviceId) this.#choose(false);
    else if (!this.#rankOf.has(holder.deviceId)) this.#choose(true);
  }

  /** Another office: nothing that was said in the old one holds. */
  reset(): void {
    this.#holder = undefined;
    this.#term = 0;
    this.#passedOver.clear();
  }

  /** A device says that it holds the office. Returns whether it should be told who does. */
  onClaim(deviceId: DeviceId, claim: HeardClaim): boolean {
    if (!this.#rankOf.has(deviceId)) return false;
    const holder = this.#holder;
    if (holder !== undefined && holder.deviceId === deviceId) {
      if (claim.term < holder.term) return false;
      this.#hear(deviceId, claim, holder);
      return false;
    }
    const passed = this.#passedOver.get(deviceId);
    const refused = passed !== undefined && passed.untilUs > this.#awakeUs;
    // It was late, not dead, and nobody has taken its place.
    if (refused && passed.why === "silent" && holder?.claimed === false) {
      this.#passedOver.delete(deviceId);
      this.#hear(deviceId, claim, undefined);
      return false;
    }
    const stronger =
      holder === undefined ||
      claim.term > holder.term ||
      (claim.term === holder.term && this.#rank(deviceId) < this.#rank(holder.deviceId));
    if (!stronger) return holder?.deviceId === this.#self;
    // One that was passed over does not come back with the term under which it was. With a later one
    // it does: two that have passed each other over have the same, and would both go on else.
    if (refused && claim.term <= passed.term) return holder?.deviceId === this.#self;
    this.#hear(deviceId, claim, undefined);
    return false;
  }

  /** A device has said something: whatever it was, the device is not dead. */
  onSign(deviceId: DeviceId): void {
    if (this.#holder?.deviceId === deviceId) this.#holder.heardAtUs = this.#awakeUs;
  }

  /** The association with a device has ended. */
  onGone(deviceId: DeviceId): void {
    if (deviceId !== this.#holder?.deviceId || deviceId === this.#self) return;
    this.#passOver("silent");
  }

  /** Time has passed. */
  onTick(nowUs: number, own: OwnWork): void {
    const elapsedUs = nowUs - (this.#tickedAtUs ?? nowUs);
    this.#tickedAtUs = nowUs;
    this.#awakeUs += Math.min(elapsedUs, TICK_US_MAX);
    for (const [deviceId, { untilUs }] of this.#passedOver) {
      if (untilUs <= this.#awakeUs) this.#passedOver.delete(deviceId);
    }
    const holder = this.#holder;
    if (holder === undefined) return;
    if (holder.deviceId === this.#self) {
      this.#note(holder, own);
      if (this.#isBarren(holder) && this.#ranked.length > 1) this.#passOver("barren");
      else this.#confirm(holder);
      return;
    }
    // Whoever looks for nobody hears nobody.
    if (!own.listening) holder.heardAtUs = this.#awakeUs;
    if (this.#awakeUs - holder.heardAtUs > patienceUs(holder)) this.#passOver("silent");
    else if (this.#isBarren(holder)) this.#passOver("barren");
    else if (this.#isOutclassed(holder)) this.#choose(true);
  }

  #hear(deviceId: DeviceId, claim: HeardClaim, before: Holder | undefined): void {
    this.#term = Math.max(this.#term, claim.term);
    const same = before !== undefined && before.term === claim.term;
    const holder = same ? before : this.#newHolder(deviceId, claim.term);
    const pauseUs = same ? this.#awakeUs - holder.heardAtUs : (before?.pauseUs ?? 0);
    holder.pauseUs = Math.max(pauseUs, PAUSE_DECAY * holder.pauseUs);
    holder.heardAtUs = this.#awakeUs;
    holder.claimed = true;
    holder.everyUs = claim.everyUs;
    this.#note(holder, claim);
    this.#holder = holder;
  }

  #note(holder: Holder, work: Pick<HeardClaim, "wants" | "broughtBytes">): void {
    // Who has to wait for those above is not barren meanwhile, nor any less so afterwards.
    if (work.wants && holder.wants) holder.barrenUs += this.#awakeUs - holder.notedAtUs;
    holder.notedAtUs = this.#awakeUs;
    holder.wants = work.wants;
    const broughtBytes = work.broughtBytes - holder.barrenAtBytes;
    // Fewer bytes than before: it has begun anew.
    if (broughtBytes >= 0 && broughtBytes < BARREN_BYTES) return;
    holder.barrenUs = 0;
    holder.barrenAtBytes = work.broughtBytes;
  }

  #isBarren(holder: Holder): boolean {
    const sinceUs = this.#awakeUs - holder.notedAtUs;
    return holder.wants && holder.barrenUs + sinceUs > BARREN_US;
  }

  #isOutclassed(holder: Holder): boolean {
    const best = this.#ranked[0];
    const held = this.#ranked[this.#rank(holder.deviceId)];
    const worse =
      best !== undefined &&
      held !== undefined &&
      spaceClass(best.facts.freeBytes) > spaceClass(held.facts.freeBytes);
    if (!worse) holder.outclassedSinceUs = this.#awakeUs;
    return this.#awakeUs - holder.outclassedSinceUs > INCUMBENT_US;
  }

  /** A first holder gets its term once nobody has spoken up against it. */
  #confirm(holder: Holder): void {
    if (holder.term > 0 || this.#awakeUs - holder.sinceUs < FIRST_TERM_US) {
      if (this.#isOutclassed(holder)) this.#choose(true);
      return;
    }
    this.#term = Math.max(1, this.#term);
    this.#holder = { ...holder, term: this.#term };
  }

  #passOver(why: keyof typeof PASSED_OVER_US): void {
    const { deviceId } = this.#holder ?? {};
    if (deviceId !== undefined) {
      const untilUs = this.#awakeUs + PASSED_OVER_US[why];
      this.#passedOver.set(deviceId, { why, untilUs, term: this.#term });
    }
    this.#choose(true);
  }

  /** Chooses the best that is not passed over; where `anew`, under the next term. */
  #choose(anew: boolean): void {
    const deviceId = this.#best() ?? this.#self;
    if (anew) this.#term = Math.min(this.#term + 1, TERM_MAX);
    // Of another device the term is not known before it claims: any claim of it will do.
    const term = deviceId === this.#self ? this.#term : Math.max(0, this.#term - 1);
    this.#holder = this.#newHolder(deviceId, term);
  }

  #best(): DeviceId | undefined {
    const able = this.#ranked.find(({ deviceId }) => !this.#passedOver.has(deviceId));
    if (able !== undefined) return able.deviceId;
    // All have had their turn: the line itself may be the trouble, and the best tries again.
    this.#passedOver.clear();
    return this.#ranked[0]?.deviceId;
  }

  #newHolder(deviceId: DeviceId, term: number): Holder {
    const nowUs = this.#awakeUs;
    return {
      deviceId,
      term,
      everyUs: CLAIM_EVERY_US,
      wants: false,
      heardAtUs: nowUs,
      claimed: deviceId === this.#self,
      pauseUs: 0,
      barrenUs: 0,
      notedAtUs: nowUs,
      barrenAtBytes: 0,
      sinceUs: nowUs,
      outclassedSinceUs: nowUs,
    };
  }

  #rank(deviceId: DeviceId): number {
    return this.#rankOf.get(deviceId) ?? Number.POSITIVE_INFINITY;
  }
}

/** How long nothing needs to be heard of a holder before it is taken for dead. */
function patienceUs({ everyUs, pauseUs }: Holder): number {
  const lateUs = Math.min(CLAIM_SILENCE_US_MAX, PAUSES * pauseUs);
  return Math.max(CLAIM_SILENCE_US, CLAIMS_LOST_MAX * everyUs, lateUs);
}
