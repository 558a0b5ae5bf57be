import type { Bitset } from "../base/bitset.ts";
import type { ContentId, DeviceId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";
import type { Accusation, Message, Offence } from "../wire/messages.ts";
import { type Act, type Core, report, say } from "./core.ts";
import type { Link } from "./link.ts";

/** After so many wrong pieces that are not forgiven, a device is not asked for any more. */
export const MISMATCHES_MAX = 3;

/** After so many broken promises, with nothing brought between them, a device is reported. */
export const BROKEN_PROMISES_MAX = 8;

/** After so many broken promises in a row a device is not relied on to fetch for the office. */
const UNRELIABLE = 2;

/** How long a device that stalled is left alone; twice as long each time, up to a bound. */
const STALL_PAUSE_US = { min: 5 * SECOND, max: 300 * SECOND } as const;

/** How long a device has to hash its own copy again and take back what it should not offer. */
export const FORGIVING_US: number = 5 * SECOND;

/** A disk that rots more often than this is as bad as a liar. */
const FORGIVEN_MAX = 16;

/** How long a device that breaks its promises is left alone, at first and at most. */
const PAUSE_US = { min: 30 * SECOND, max: 600 * SECOND } as const;

/** How many devices we keep a record of; the oldest ones with nothing proven are forgotten. */
const RECORDS_MAX = 1_024;

/** How many offences of one device wait to be forgiven or counted; beyond, they count at once. */
const OPEN_MAX = 512;

/** How many accusations wait while the server is away, and how many we know that we made. */
const ACCUSATIONS_MAX = { waiting: 64, made: 1_024 } as const;

/** Something that a device did, and may yet explain by taking the piece back. */
type OpenOffence = {
  readonly offence: Offence;
  readonly contentId: ContentId;
  readonly piece: number;
  readonly dueUs: number;
};

/** What one device has done so far. */
type Conduct = {
  readonly open: Map<string, OpenOffence>;
  mismatches: number;
  forgiven: number;
  brokenPromises: number;
  stalls: number;
  pauses: number;
  pausedUntilUs: number;
  shunned: boolean;
};

/**
 * Whom to believe (row B20). A device whose piece does not verify is told of the doubt and hashes
 * its own copy: if it takes the piece back its disk was at fault, and it is forgiven. Otherwise it
 * is counted, left alone after three, and reported to the server. What a device offers and then
 * does not bring is dealt with alike.
 */
export class Trust {
  readonly #core: Core;
  readonly #tellServer: (act: Act, message: Message) => boolean;
  readonly #conducts = new Map<DeviceId, Conduct>();
  readonly #accused = new Set<string>();
  readonly #accusations: Accusation[] = [];
  /** Grows when somebody may have become reliable, or ceased to be. */
  changes = 0;

  /** @param tellServer - Says something to the server; `false` where it is away. */
  constructor(core: Core, tellServer: (act: Act, message: Message) => boolean) {
    this.#core = core;
    this.#tellServer = tellServer;
  }

  /** Whether what a device offers counts for anything. */
  trusts(deviceId: DeviceId): boolean {
    return !this.#core.shunned.has(deviceId) && this.#conducts.get(deviceId)?.shunned !== true;
  }

  /** Whether a device may be relied on to fetch for the office. */
  isReliable(deviceId: DeviceId): boolean {
    const brokenPromises = this.#conducts.get(deviceId)?.brokenPromises ?? 0;
    return this.trusts(deviceId) && brokenPromises < UNRELIABLE;
  }

  /** Whether a device may be asked for something now. */
  mayAsk(nowUs: number, deviceId: DeviceId): boolean {
    if (!this.trusts(deviceId)) return false;
    const conduct = this.#conducts.get(deviceId);
    if (conduct === undefined) return true;
    // With more in doubt than would be forgiven, it is waited for the device's word.
    return nowUs >= conduct.pausedUntilUs && this.#doubted(conduct) < MISMATCHES_MAX;
  }

  /** A piece from a device did not verify. */
  onMismatch(act: Act, deviceId: DeviceId, what: PieceOf): void {
    this.#open(act, deviceId, { ...what, offence: "mismatch" });
    const link = this.#core.linkByDevice.get(deviceId);
    const asked = link?.asked.get(what.contentId);
    if (link === undefined || asked === undefined) return;
    const { handle } = asked;
    say(this.#core, act, link.association, { kind: "doubt", handle, piece: what.piece });
  }

  /** A device does not have a piece that it offers. */
  onRefused(act: Act, deviceId: DeviceId, what: PieceOf): void {
    this.#open(act, deviceId, { ...what, offence: "broken-promise" });
  }

  /** A device owes us something for too long. */
  onStalled(act: Act, deviceId: DeviceId, contentId: ContentId): void {
    const conduct = this.#conduct(deviceId);
    const pauseUs = Math.min(STALL_PAUSE_US.max, STALL_PAUSE_US.min * 2 ** conduct.stalls);
    conduct.stalls += 1;
    conduct.pausedUntilUs = Math.max(conduct.pausedUntilUs, act.nowUs + pauseUs);
    this.#count(act, deviceId, { offence: "broken-promise", contentId });
  }

  /** A piece from a device has been verified. */
  onVerified(deviceId: DeviceId): void {
    const conduct = this.#conducts.get(deviceId);
    if (conduct === undefined) return;
    if (conduct.brokenPromises >= UNRELIABLE) this.changes += 1;
    conduct.brokenPromises = 0;
    conduct.stalls = 0;
    conduct.pauses = 0;
    for (const [key, { offence }] of conduct.open) {
      if (offence === "broken-promise") conduct.open.delete(key);
    }
  }

  /** A device says anew what it holds: what it has taken back is forgiven. */
  onRestated(link: Link, contentId: ContentId, offered: Bitset | undefined): void {
    const conduct = this.#conducts.get(link.deviceId);
    if (conduct === undefined) return;
    for (const [key, open] of conduct.open) {
      if (open.contentId !== contentId || offered?.has(open.piece) === true) continue;
      if (open.offence === "mismatch" && conduct.forgiven >= FORGIVEN_MAX) continue;
      if (open.offence === "mismatch") conduct.forgiven += 1;
      conduct.open.delete(key);
    }
  }

  /** Counts what was not taken back in time, and tells the server what it has not heard. */
  onTick(act: Act): void {
    for (const [deviceId, conduct] of this.#conducts) {
      for (const [key, open] of conduct.open) {
        if (act.nowUs < open.dueUs) continue;
        conduct.open.delete(key);
        this.#count(act, deviceId, open);
      }
    }
    this.#tellAccusations(act);
  }

  #open(act: Act, deviceId: DeviceId, what: PieceOf & { readonly offence: Offence }): void {
    const conduct = this.#conduct(deviceId);
    const key = `${what.offence} ${what.contentId} ${what.piece}`;
    if (conduct.open.size >= OPEN_MAX || conduct.open.has(key)) {
      this.#count(act, deviceId, what);
      return;
    }
    conduct.open.set(key, { ...what, dueUs: act.nowUs + FORGIVING_US });
  }

  #count(
    act: Act,
    deviceId: DeviceId,
    { offence, contentId }: { readonly offence: Offence; readonly contentId: ContentId },
  ): void {
    const conduct = this.#conduct(deviceId);
    if (offence === "mismatch") {
      conduct.mismatches += 1;
      if (conduct.mismatches >= MISMATCHES_MAX) this.#shun(act, deviceId, conduct, contentId);
      return;
    }
    conduct.brokenPromises += 1;
    this.changes += 1;
    if (conduct.brokenPromises < BROKEN_PROMISES_MAX) return;
    conduct.brokenPromises = UNRELIABLE;
    const pauseUs = Math.min(PAUSE_US.max, PAUSE_US.min * 2 ** conduct.pauses);
    conduct.pauses += 1;
    conduct.pausedUntilUs = act.nowUs + pauseUs;
    const why = `it offers pieces that it does not bring: left alone for ${pauseUs / SECOND} s`;
    report(act, { kind: "source-shunned", source: deviceId, why });
    this.#accuse(act, { kind: "accusation", deviceId, contentId, offence });
  }

  #shun(act: Act, deviceId: DeviceId, conduct: Conduct, contentId: ContentId): void {
    if (!conduct.shunned) {
      const why = `${conduct.mismatches} of its pieces were wrong and it did not take them back`;
      report(act, { kind: "source-shunned", source: deviceId, why });
    }
    conduct.shunned = true;
    this.changes += 1;
    this.#accuse(act, { kind: "accusation", deviceId, contentId, offence: "mismatch" });
  }

  #accuse(act: Act, accusation: Accusation): void {
    const key = `${accusation.deviceId} ${accusation.contentId} ${accusation.offence}`;
    if (this.#accused.has(key) || this.#accused.size >= ACCUSATIONS_MAX.made) return;
    this.#accused.add(key);
    if (this.#accusations.length >= ACCUSATIONS_MAX.waiting) this.#accusations.shift();
    this.#accusations.push(accusation);
    this.#tellAccusations(act);
  }

  #tellAccusations(act: Act): void {
    for (let next = this.#accusations[0]; next !== undefined; next = this.#accusations[0]) {
      if (!this.#tellServer(act, next)) return;
      this.#accusations.shift();
    }
  }

  #doubted({ open, mismatches }: Conduct): number {
    let doubted = mismatches;
    for (const { offence } of open.values()) if (offence === "mismatch") doubted += 1;
    return doubted;
  }

  #conduct(deviceId: DeviceId): Conduct {
    const known = this.#conducts.get(deviceId);
    if (known !== undefined) return known;
    if (this.#conducts.size >= RECORDS_MAX) this.#forgetOne();
    const conduct: Conduct = {
      open: new Map(),
      mismatches: 0,
      forgiven: 0,
      brokenPromises: 0,
      stalls: 0,
      pauses: 0,
      pausedUntilUs: 0,
      shunned: false,
    };
    this.#conducts.set(deviceId, conduct);
    return conduct;
  }

  #forgetOne(): void {
    for (const [deviceId, { shunned }] of this.#conducts) {
      if (shunned) continue;
      this.#conducts.delete(deviceId);
      return;
    }
    const [oldest] = this.#conducts.keys();
    if (oldest !== undefined) this.#conducts.delete(oldest);
  }
}

/** A piece of a content. */
export type PieceOf = { readonly contentId: ContentId; readonly piece: number };
