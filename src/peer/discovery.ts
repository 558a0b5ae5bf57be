import { concat, equalBytes } from "../base/bytes.ts";
import { toHex } from "../base/hex.ts";
import { type ContentId, contentIdBytes } from "../base/ids.ts";
import { invariant } from "../base/invariant.ts";
import { type Due, earlier } from "../base/machine.ts";
import { MS, SECOND } from "../base/units.ts";
import { encodeUtf8 } from "../base/utf8.ts";
import { CHANNELS } from "../effects/channels.ts";
import { NONCE_BYTES } from "../effects/crypto.ts";
import type { Address } from "../effects/network.ts";
import { parseAddress } from "../topology/address.ts";
import { NO_OFFICE } from "../topology/limits.ts";
import { PrefixMap, parseSubnet } from "../topology/prefix.ts";
import {
  answerHead,
  DISCOVERY_CHANNEL,
  DISCOVERY_NONCE_BYTES,
  type DiscoveryDatagram,
  decodeAnswerBody,
  decodeDiscovery,
  decodeQuestionBody,
  encodeAnswerBody,
  encodeQuestionBody,
  QUESTION_TAG_BYTES,
  QUESTION_TAGS_MAX,
  type QuestionBody,
  questionHead,
  type Sealed,
} from "../wire/discovery.ts";
import type { Directory } from "../wire/messages.ts";
import { type ContentEntry, isToFetch } from "./content-entry.ts";
import { type Act, type Core, report } from "./core.ts";
import { DISCOVERED_US } from "./discovered.ts";

/** The least time between two questions, and the most while there is something to ask. */
export const QUESTION_US_MIN: number = 2 * SECOND;
export const QUESTION_US_MAX: number = 30 * SECOND;

/** How often a device that has just come to a LAN asks who is there, unless somebody answers. */
export const ARRIVAL_QUESTIONS = 5;

/** A device of an office of many waits up to this much for each before its first question. */
export const SPREAD_US_PER_MEMBER: number = 10 * MS;

/** Longest wait before a first question. */
export const SPREAD_US_MAX: number = 10 * SECOND;

/** An answer waits a random time up to this, so that not all of an office answer at once. */
export const ANSWER_DELAY_US_MAX: number = 65 * MS;

/** Most answers that a device gives within a second. */
export const ANSWERS_PER_S_MAX = 10;

/** How many devices of an office are to answer a question; in larger ones chance decides who. */
export const ANSWERERS = 64;

/** For how long after a question its answers are taken. */
export const ANSWERABLE_US: number = 2 * SECOND;

/** Most answers to one question that are taken. */
export const ANSWERS_MAX = 256;

/** How many questions are remembered so that none is answered twice. */
export const ANSWERED_MAX = 1_024;

invariant(DISCOVERY_CHANNEL === CHANNELS.discovery, "discovery has a channel of its own");
// One answer may be lost on the way without a device being forgotten.
invariant(2 * QUESTION_US_MAX <= DISCOVERED_US, "devices are asked before they are forgotten");

/** What of discovery came to nothing, by reason. */
export type DiscoveryCounters = {
  /** It is no question or answer. */
  discoveryMalformed: number;
  /** It came from outside our office's subnets, or we are in no office. */
  discoveryElsewhere: number;
  /** Whoever sent it does not know our office's key. */
  discoveryUnproven: number;
  /** The question has been answered already. */
  discoveryRepeated: number;
  /** It came while we had answered enough, or there were enough answers. */
  discoveryLimited: number;
  /** It answers no question that we have just asked. */
  discoveryUnasked: number;
};

/** The latest question. */
type Asked = {
  readonly nonce: Uint8Array;
  readonly contents: readonly ContentId[];
  readonly atUs: number;
  answers: number;
};

/** An answer that waits. */
type Planned = {
  readonly atUs: number;
  readonly to: Address;
  readonly nonce: Uint8Array;
  readonly tags: QuestionBody["tags"];
};

/**
 * Finds devices of the own office on the own LAN (row C6), and is found by them: a question to all,
 * and answers to the asker alone.
 *
 * Only who knows the office's key can read either, or make one; a stranger learns how often somebody
 * asks, and nothing else. What was heard stands in `core.discovered`; the handshake of an
 * association still has to prove that a device is who it says.
 */
export class Discovery {
  readonly counters: DiscoveryCounters = {
    discoveryMalformed: 0,
    discoveryElsewhere: 0,
    discoveryUnproven: 0,
    discoveryRepeated: 0,
    discoveryLimited: 0,
    discoveryUnasked: 0,
  };
  readonly #core: Core;
  readonly #onFirstWitness: (act: Act) => void;
  /** Our addresses and the directory when we looked last, and what of it concerns us. */
  #hosts: readonly string[];
  #directory: Directory | undefined;
  #key: Uint8Array | undefined;
  #subnets = new PrefixMap<true>();
  #place = "";
  #members = 0;
  #asked: Asked | undefined;
  #askAtUs = Number.POSITIVE_INFINITY;
  #waitUs = QUESTION_US_MIN;
  /** Why we asked last time. */
  #reasons: Reasons = NO_REASONS;
  #arrivalQuestions = 0;
  readonly #planned: Planned[] = [];
  /** When the last answers were planned, the latest last. */
  readonly #answeredAtUs: number[] = [];
  readonly #answered = new Set<string>();

  /** @param onFirstWitness - Called when somebody answers and nobody had lately. */
  constructor(core: Core, onFirstWitness: (act: Act) => void) {
    this.#core = core;
    this.#hosts = core.hosts;
    this.#onFirstWitness = onFirstWitness;
  }

  due(): Due {
    const question: Due = { atUs: this.#askAtUs, reason: "discovery question" };
    const next = this.#planned[0];
    if (next === undefined) return question;
    return earlier(question, { atUs: next.atUs, reason: "discovery answer" });
  }

  /** Asks and answers what is due. */
  onTimer(act: Act): void {
    for (let next = this.#planned[0]; next !== undefined; next = this.#planned[0]) {
      if (next.atUs > act.nowUs) break;
      this.#planned.shift();
      this.#answer(act, next);
    }
    if (this.#askAtUs > act.nowUs) return;
    this.#review(act);
    if (this.#askAtUs <= act.nowUs) this.#ask(act);
  }

  /** Looks, about once a second, at whether there is something to ask. */
  onTick(act: Act): void {
    this.#core.discovered.forgetSilent(act.nowUs);
    this.#review(act);
  }

  /** A datagram has come to the discovery port. */
  onDatagram(act: Act, from: Address, bytes: Uint8Array): void {
    this.#look();
    const decoded = decodeDiscovery(bytes);
    if (!decoded.ok) {
      this.counters.discoveryMalformed += 1;
      return;
    }
    if (this.#key === undefined || !this.#isNear(from.host)) {
      this.counters.discoveryElsewhere += 1;
      return;
    }
    if (decoded.value.kind === "question") this.#onQuestion(act, from, decoded.value, this.#key);
    else this.#onAnswer(act, from, decoded.value, this.#key);
  }

  #onQuestion(act: Act, from: Address, question: Question, key: Uint8Array): void {
    const { shares, options } = this.#core;
    // Who shares with nobody does not say that he is there (row B6, PF4).
    if (!shares) return;
    const name = toHex(question.nonce);
    if (this.#answered.has(name)) {
      this.counters.discoveryRepeated += 1;
      return;
    }
    const opened = this.#open(questionKey(this.#core, key, question.nonce), question.sealed);
    if (opened === undefined) return;
    const body = decodeQuestionBody(opened);
    if (body === undefined) {
      this.counters.discoveryMalformed += 1;
      return;
    }
    // A broadcast comes back to whoever sent it.
    if (body.deviceId === options.deviceId) return;
    if (this.#members > ANSWERERS && this.#core.prng.below(this.#members) >= ANSWERERS) return;
    this.#plan(act, from, { nonce: question.nonce, tags: body.tags });
  }

  #plan(act: Act, to: Address, { nonce, tags }: Pick<Planned, "nonce" | "tags">): void {
    const [oldest = Number.NEGATIVE_INFINITY] = this.#answeredAtUs;
    if (this.#answeredAtUs.length >= ANSWERS_PER_S_MAX && act.nowUs - oldest < SECOND) {
      this.counters.discoveryLimited += 1;
      return;
    }
    this.#answeredAtUs.push(act.nowUs);
    if (this.#answeredAtUs.length > ANSWERS_PER_S_MAX) this.#answeredAtUs.shift();
    this.#answered.add(toHex(nonce));
    for (const first of this.#answered) {
      if (this.#answered.size <= ANSWERED_MAX) break;
      this.#answered.delete(first);
    }
    const atUs = act.nowUs + this.#core.prng.below(ANSWER_DELAY_US_MAX + 1);
    this.#planned.push({ atUs, to, nonce, tags });
    this.#planned.sort((a, b) => a.atUs - b.atUs);
  }

  #answer(act: Act, { to, nonce, tags }: Planned): void {
    this.#look();
    const key = this.#key;
    if (key === undefined) return;
    const answerNonce = this.#core.options.crypto.randomBytes(DISCOVERY_NONCE_BYTES);
    const body = encodeAnswerBody({ ...this.#speaker(), has: this.#hasOf(key, nonce, tags) });
    const head = answerHead(nonce, answerNonce);
    const bytes = sealed(
      this.#core,
      answerKey(this.#core, key, { nonce, answerNonce }),
      head,
      body,
    );
    act.outbox.send(to, "discovery", bytes, bytes.length);
  }

  #onAnswer(act: Act, from: Address, answer: Answer, key: Uint8Array): void {
    const { discovered, options } = this.#core;
    const asked = this.#asked;
    const late = asked === undefined || act.nowUs - asked.atUs > ANSWERABLE_US;
    if (late || !equalBytes(asked.nonce, answer.nonce)) {
      this.counters.discoveryUnasked += 1;
      return;
    }
    if (asked.answers >= ANSWERS_MAX) {
      this.counters.discoveryLimited += 1;
      return;
    }
    const opened = this.#open(answerKey(this.#core, key, answer), answer.sealed);
    if (opened === undefined) return;
    const body = decodeAnswerBody(opened);
    if (body === undefined || body.deviceId === options.deviceId) {
      this.counters.discoveryMalformed += 1;
      return;
    }
    asked.answers += 1;
    this.#arrivalQuestions = 0;
    const first = discovered.size === 0;
    const { deviceId, portOffset, singlePort, has } = body;
    const { host } = from;
    if (!discovered.has(deviceId)) report(act, { kind: "device-discovered", deviceId, host });
    discovered.heard(deviceId, {
      host,
      portOffset,
      singlePort,
      heardAtUs: act.nowUs,
      contents: asked.contents.filter((_, bit) => ((has >>> bit) & 1) === 1),
    });
    if (first) this.#onFirstWitness(act);
  }

  #ask(act: Act): void {
    const key = this.#key;
    if (key === undefined) return;
    const contents = this.#reasons.unserved;
    const nonce = this.#core.options.crypto.randomBytes(DISCOVERY_NONCE_BYTES);
    const tags = contents.map((contentId) => contentTag(this.#core, key, { nonce, contentId }));
    const body = encodeQuestionBody({ ...this.#speaker(), tags });
    const head = questionHead(nonce);
    this.#asked = { nonce, contents, atUs: act.nowUs, answers: 0 };
    act.outbox.broadcast(sealed(this.#core, questionKey(this.#core, key, nonce), head, body));
    this.#arrivalQuestions = Math.max(0, this.#arrivalQuestions - 1);
    const half = Math.ceil(this.#waitUs / 2);
    const waitUs = Math.max(QUESTION_US_MIN, half + this.#core.prng.below(half + 1));
    this.#askAtUs = act.nowUs + waitUs;
    this.#waitUs = Math.min(QUESTION_US_MAX, 2 * this.#waitUs);
  }

  /** Plans the next question: soon where there is a new reason, never where there is none. */
  #review(act: Act): void {
    this.#look();
    const before = this.#reasons;
    this.#reasons = this.#reasonsNow();
    const { arrived, away, unserved } = this.#reasons;
    if (!arrived && !away && unserved.length === 0) {
      this.#askAtUs = Number.POSITIVE_INFINITY;
      return;
    }
    const fresh =
      (arrived && !before.arrived) ||
      (away && !before.away) ||
      unserved.some((contentId) => !before.unserved.includes(contentId));
    if (!fresh && Number.isFinite(this.#askAtUs)) return;
    this.#waitUs = QUESTION_US_MIN;
    const spreadUs = Math.min(SPREAD_US_MAX, this.#members * SPREAD_US_PER_MEMBER);
    const soonUs = act.nowUs + this.#core.prng.below(spreadUs + 1);
    const readyUs = (this.#asked?.atUs ?? Number.NEGATIVE_INFINITY) + QUESTION_US_MIN;
    this.#askAtUs = Math.min(this.#askAtUs, Math.max(soonUs, readyUs));
  }

  #reasonsNow(): Reasons {
    // A WiFi network carries broadcasts at its slowest rate: its devices send none (row B6).
    if (this.#key === undefined || this.#core.view.officeType === "wifi") return NO_REASONS;
    // Where it is it asks all the same: nobody else can vouch for it.
    if (this.#core.alone) return { ...NO_REASONS, arrived: this.#arrivalQuestions > 0 };
    return {
      arrived: this.#arrivalQuestions > 0,
      away: this.#core.serverAway(),
      unserved: unservedContents(this.#core),
    };
  }

  /** Takes notice of other addresses, or another office, key or subnets, than before. */
  #look(): void {
    const { hosts, view } = this.#core;
    if (hosts !== this.#hosts) this.#arrive();
    this.#hosts = hosts;
    const { directory } = view;
    if (directory === undefined || directory === this.#directory) return;
    this.#directory = directory;
    const { office, offices, members, officeKey } = directory;
    const subnets = offices.find(({ name }) => name === office)?.subnets ?? [];
    const place = JSON.stringify([office, subnets, subnets.length > 0 ? toHex(officeKey) : ""]);
    this.#members = members.filter((member) => member.office === office).length;
    if (place === this.#place) return;
    this.#place = place;
    this.#arrive();
    // Whom the server places nowhere looks for its last office: whoever answers is its witness.
    if (office === NO_OFFICE) return;
    // A key of zeros is none that the server has drawn: everybody would know it.
    const usable = subnets.length > 0 && officeKey.some((byte) => byte !== 0);
    this.#key = usable ? officeKey.slice() : undefined;
    this.#subnets = prefixesOf(subnets);
  }

  /** Whoever was heard elsewhere is not here. */
  #arrive(): void {
    this.#core.discovered.clear();
    this.#planned.length = 0;
    this.#arrivalQuestions = ARRIVAL_QUESTIONS;
    this.#reasons = NO_REASONS;
  }

  /** Whether a datagram is from our own office's subnets or, by IPv6, from our own link. */
  #isNear(host: string): boolean {
    const address = parseAddress(host);
    if (address === undefined) return false;
    if (address.family === 6 && address.value >> 118n === LINK_LOCAL) return true;
    return this.#subnets.longest(address) === true;
  }

  #open(key: Uint8Array, { head, body }: Sealed): Uint8Array | undefined {
    const opened = this.#core.options.crypto.open(key, NO_NONCE, head, body);
    if (opened === undefined) this.counters.discoveryUnproven += 1;
    return opened;
  }

  #speaker() {
    const { deviceId, portOffset, singlePort } = this.#core.options;
    return { deviceId, portOffset, singlePort };
  }

  /** Which contents of a question we have or are to have. */
  #hasOf(key: Uint8Array, nonce: Uint8Array, tags: readonly Uint8Array[]): number {
    const bits = new Map(tags.map((tag, bit) => [toHex(tag), bit]));
    let has = 0;
    if (bits.size === 0) return has;
    for (const { contentId, wanted, known } of this.#core.contents.values()) {
      if (!wanted && (known?.held.count ?? 0) === 0) continue;
      const tag = contentTag(this.#core, key, { nonce, contentId });
      const bit = bits.get(toHex(tag));
      if (bit !== undefined) has |= 1 << bit;
    }
    return has >>> 0;
  }
}

/** Why a device asks. */
type Reasons = {
  /** It has just come into an office or to another address, and nobody has answered. */
  readonly arrived: boolean;
  /** The server is away, and cannot say who is there. */
  readonly away: boolean;
  /** It is to have contents that no device of its office that it is linked up with has. */
  readonly unserved: readonly ContentId[];
};

type Question = Extract<DiscoveryDatagram, { kind: "question" }>;
type Answer = Extract<DiscoveryDatagram, { kind: "answer" }>;

const NO_REASONS: Reasons = { arrived: false, away: false, unserved: [] };

/** The ten first bits of IPv6's link-local addresses (RFC 4291, section 2.5.6). */
const LINK_LOCAL = 0x3fan;

/** Each key seals one text: the nonces that are drawn go into the keys, which are longer. */
const NO_NONCE = new Uint8Array(NONCE_BYTES);

/** The first contents, by priority, that no office mate whom we are linked up with has. */
function unservedContents(core: Core): readonly ContentId[] {
  const unserved: ContentEntry[] = [];
  for (const entry of core.contents.values()) {
    if (isToFetch(entry) && !isServed(core, entry.contentId)) unserved.push(entry);
  }
  unserved.sort((a, b) => a.priority - b.priority);
  return unserved.slice(0, QUESTION_TAGS_MAX).map(({ contentId }) => contentId);
}

function isServed(core: Core, contentId: ContentId): boolean {
  for (const link of core.links.values()) {
    if (!core.view.sameOffice(link.deviceId) && !core.discovered.has(link.deviceId)) continue;
    if ((link.asked.get(contentId)?.manifestBytes ?? 0) > 0) return true;
  }
  return false;
}

function prefixesOf(subnets: readonly string[]): PrefixMap<true> {
  const prefixes = new PrefixMap<true>();
  for (const text of subnets) {
    const parsed = parseSubnet(text);
    if (!("subnet" in parsed)) continue;
    for (const prefix of parsed.subnet.prefixes) prefixes.set(prefix, true);
  }
  return prefixes;
}

/** A head and its sealed body. */
function sealed(core: Core, key: Uint8Array, head: Uint8Array, body: Uint8Array): Uint8Array {
  return concat([head, core.options.crypto.seal(key, NO_NONCE, head, body)]);
}

function questionKey({ options }: Core, officeKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return options.crypto.hmac(officeKey, concat([QUESTION_LABEL, nonce]));
}

function answerKey(
  { options }: Core,
  officeKey: Uint8Array,
  { nonce, answerNonce }: { readonly nonce: Uint8Array; readonly answerNonce: Uint8Array },
): Uint8Array {
  return options.crypto.hmac(officeKey, concat([ANSWER_LABEL, nonce, answerNonce]));
}

/** What stands for a content in a question: who knows its id recognises it, nobody else learns it. */
function contentTag(
  { options }: Core,
  officeKey: Uint8Array,
  { nonce, contentId }: { readonly nonce: Uint8Array; readonly contentId: ContentId },
): Uint8Array {
  const text = concat([TAG_LABEL, nonce, contentIdBytes(contentId)]);
  return options.crypto.hmac(officeKey, text).slice(0, QUESTION_TAG_BYTES);
}

const QUESTION_LABEL = encodeUtf8("branchline question");
const ANSWER_LABEL = encodeUtf8("branchline answer");
const TAG_LABEL = encodeUtf8("branchline discover");
