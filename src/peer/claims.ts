import type { DeviceId } from "../base/ids.ts";
import { MS } from "../base/units.ts";
import { rankCandidates } from "../topology/election.ts";
import { CLAIM_EVERY_US } from "../topology/succession.ts";
import type { Claim, MemberEntry } from "../wire/messages.ts";
import { isAssigned } from "./content-entry.ts";
import { type Act, type Core, report, say } from "./core.ts";
import type { Link } from "./link.ts";
import { saidPorts } from "./ports.ts";

/** How much longer the time between claims is for each device that is told. */
const CLAIM_EVERY_US_PER_LINK: number = 5 * MS;

/** Most devices that one `mates` message names. */
const MATES_MAX = 64;

/**
 * Who fetches for the office: tells the others what this device claims, and hears what they do.
 *
 * Claims go to the devices of the office that we are linked up with; the association says who
 * claims, so nobody claims for another.
 */
export class Claims {
  readonly #core: Core;
  #holder: DeviceId;
  #saidAtUs = Number.NEGATIVE_INFINITY;

  constructor(core: Core) {
    this.#core = core;
    this.#holder = core.options.deviceId;
  }

  /** Counts anew who could hold the office: those that are there, as far as we can tell. */
  refresh(act: Act): void {
    const { view, options, facts, succession } = this.#core;
    const mates = view.officeMates().filter((member) => this.#couldHold(act.nowUs, member));
    this.#core.ranked = rankCandidates([{ deviceId: options.deviceId, facts }, ...mates]);
    succession.setCandidates(this.#core.ranked);
    this.#settle(act);
  }

  /** Another office: the claims of the old one say nothing. */
  reset(act: Act): void {
    this.#core.succession.reset();
    this.refresh(act);
  }

  onClaim(act: Act, link: Link, claim: Claim): void {
    const { view, succession } = this.#core;
    if (claim.office !== view.office || !view.sameOffice(link.deviceId)) return;
    const { term, wants, broughtBytes } = claim;
    const everyUs = claim.everyMs * MS;
    const contested = succession.onClaim(link.deviceId, { term, everyUs, wants, broughtBytes });
    if (contested) say(this.#core, act, link.association, this.#claim());
    this.#settle(act);
  }

  /** An association with a device is up: it hears who we are, whom we know and what we claim. */
  onUp(act: Act, link: Link): void {
    if (this.#core.alone || !this.#core.view.sameOffice(link.deviceId)) return;
    say(this.#core, act, link.association, { kind: "mates", members: this.#mates() });
    if (this.#holdsOffice) say(this.#core, act, link.association, this.#claim());
    this.refresh(act);
  }

  /** An association with a device has ended. One that ends in good order says nothing of the device. */
  onGone(act: Act, { deviceId }: Link, code: string): void {
    if (code !== "done" && code !== "duplicate") this.#core.succession.onGone(deviceId);
    this.refresh(act);
  }

  /** Time has passed: claims again, and looks at who has been silent. */
  onTick(act: Act, engaged: boolean): void {
    const { view, succession } = this.#core;
    if (view.office === "" || !this.#core.shares) return;
    if (!this.#hearsHolder && this.#core.isUnreachable(act.nowUs, succession.holder)) {
      this.refresh(act);
    }
    const work = { wants: this.#wants(), broughtBytes: this.#broughtBytes() };
    // One that we are still linking up with cannot be heard: whether it can be reached decides.
    succession.onTick(act.nowUs, { ...work, listening: engaged && this.#hearsHolder });
    this.#settle(act);
    if (!this.#holdsOffice || act.nowUs - this.#saidAtUs < this.#everyUs) return;
    this.#tellAll(act);
  }

  get #holdsOffice(): boolean {
    return this.#core.succession.holder === this.#core.options.deviceId;
  }

  get #hearsHolder(): boolean {
    return this.#holdsOffice || this.#core.linkByDevice.has(this.#core.succession.holder);
  }

  get #everyUs(): number {
    return CLAIM_EVERY_US + this.#core.links.size * CLAIM_EVERY_US_PER_LINK;
  }

  #settle(act: Act): void {
    const { holder } = this.#core.succession;
    if (holder === this.#holder) return;
    this.#holder = holder;
    const self = this.#core.holdsOffice;
    report(act, { kind: "rvp-changed", self, deviceId: holder });
    if (self) this.#tellAll(act);
  }

  #tellAll(act: Act): void {
    this.#saidAtUs = act.nowUs;
    const claim = this.#claim();
    for (const link of this.#core.links.values()) {
      if (this.#core.view.sameOffice(link.deviceId)) say(this.#core, act, link.association, claim);
    }
  }

  #claim(): Claim {
    return {
      kind: "claim",
      office: this.#core.view.office,
      term: this.#core.succession.term,
      everyMs: Math.min(60_000, Math.ceil(this.#everyUs / MS)),
      wants: this.#wants(),
      broughtBytes: this.#broughtBytes(),
    };
  }

  #couldHold(nowUs: number, { deviceId, present }: MemberEntry): boolean {
    if (this.#core.isDistrusted(deviceId)) return false;
    if (this.#core.linkByDevice.has(deviceId)) return true;
    const there = present || this.#core.discovered.has(deviceId);
    return there && !this.#core.isUnreachable(nowUs, deviceId);
  }

  /** Whether this device has something to bring into the office that is to be had now. */
  #wants(): boolean {
    if (this.#core.lineBusy.forUs > 0) return false;
    for (const entry of this.#core.contents.values()) {
      // One that cannot keep a content brings nothing of it: another must, whatever the reason is.
      if (entry.state === "checking" || entry.state === "complete") continue;
      if (isAssigned(entry) && !this.#core.sources.isWaitingUpstream(entry)) return true;
    }
    return false;
  }

  #broughtBytes(): number {
    let bytes = 0;
    for (const { tally } of this.#core.contents.values()) {
      bytes += tally.wanInBytes + tally.originInBytes;
    }
    return bytes;
  }

  #mates(): readonly MemberEntry[] {
    const { view, options, hosts, facts, links } = this.#core;
    const { deviceId, portOffset } = options;
    const ports = saidPorts(options.listening?.map);
    const own = {
      deviceId,
      office: view.office,
      hosts,
      portOffset,
      facts,
      present: true,
      ...ports,
    };
    const linked = [...links.values()].flatMap((link) => {
      const member = view.member(link.deviceId);
      return member?.office === view.office ? [{ ...member, present: true }] : [];
    });
    return [own, ...linked].slice(0, MATES_MAX);
  }
}
