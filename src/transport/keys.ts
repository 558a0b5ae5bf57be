import { ByteWriter } from "../base/byte-writer.ts";
import { encodeUtf8 } from "../base/utf8.ts";
import { type Crypto, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "../effects/crypto.ts";
import type { Side } from "../effects/handshake.ts";
import type { Lane, RecordDatagram } from "../wire/datagram.ts";
import { recordAad } from "../wire/datagram.ts";
import { REKEY_RECORDS, REKEY_US } from "./constants.ts";
import { OPENED } from "./opened-memory.ts";

/** The two ids of an association, as its initiator and its responder chose them. */
export type AssociationIds = { readonly initiator: number; readonly responder: number };

/** The header fields that a record's key and tag depend on. */
export type RecordName = Pick<
  RecordDatagram,
  "channel" | "lane" | "phase" | "destination" | "record"
>;

type KeyPair = Readonly<Record<Lane, Uint8Array>>;

/**
 * The keys of one direction of an association, phase by phase.
 *
 * Both ids are mixed into every key, so a secret that was somehow used twice gives other keys.
 * The lanes have keys of their own because each numbers its records from zero.
 */
class DirectionKeys {
  readonly #crypto: Crypto;
  #secret: Uint8Array;
  #pair: KeyPair;

  constructor(crypto: Crypto, secret: Uint8Array) {
    this.#crypto = crypto;
    this.#secret = secret;
    this.#pair = this.#derive();
  }

  get pair(): KeyPair {
    return this.#pair;
  }

  /** The keys of the phase after this one. */
  next(): DirectionKeys {
    const secret = this.#crypto.hkdf(this.#secret, encodeUtf8("branchline phase"), KEY_BYTES);
    return new DirectionKeys(this.#crypto, secret);
  }

  #derive(): KeyPair {
    const derive = (lane: Lane) =>
      this.#crypto.hkdf(this.#secret, encodeUtf8(`branchline key ${lane}`), KEY_BYTES);
    return { reliable: derive("reliable"), once: derive("once") };
  }
}

function direction(crypto: Crypto, secret: Uint8Array, from: Side, ids: AssociationIds) {
  const info = new ByteWriter();
  info.bytes(encodeUtf8(`branchline from ${from}`));
  info.u32(ids.initiator);
  info.u32(ids.responder);
  return new DirectionKeys(crypto, crypto.hkdf(secret, info.written(), KEY_BYTES));
}

/** Written anew for each record. */
const NONCE = new Uint8Array(NONCE_BYTES);
const NONCE_VIEW = new DataView(NONCE.buffer);

/** A record's nonce: its number, which no record of the same lane and phase shares. */
function nonceOf(record: number): Uint8Array {
  NONCE_VIEW.setUint32(NONCE_BYTES - 4, record);
  return NONCE;
}

/** Seals records, and moves on to the next phase in time. */
export class SealKeys {
  readonly #crypto: Crypto;
  #keys: DirectionKeys;
  #previous: DirectionKeys | undefined;
  #phase = 0;
  #sealed = 0;
  #sinceUs: number;

  /** @param side - Ours: what we send is sealed with our side's keys. */
  constructor(
    crypto: Crypto,
    secret: Uint8Array,
    options: { readonly side: Side; readonly ids: AssociationIds; readonly nowUs: number },
  ) {
    this.#crypto = crypto;
    this.#keys = direction(crypto, secret, options.side, options.ids);
    this.#sinceUs = options.nowUs;
  }

  /** The phase that the next record is sealed in; moves on when the present one has done enough. */
  phase(nowUs: number): 0 | 1 {
    if (this.#sealed >= REKEY_RECORDS || nowUs - this.#sinceUs >= REKEY_US) {
      this.#previous = this.#keys;
      this.#keys = this.#keys.next();
      this.#phase += 1;
      this.#sealed = 0;
      this.#sinceUs = nowUs;
    }
    return (this.#phase & 1) as 0 | 1;
  }

  seal(name: RecordName, plaintext: Uint8Array): Uint8Array {
    this.#sealed += 1;
    const key = this.#keys.pair[name.lane];
    return this.#crypto.seal(key, nonceOf(name.record), recordAad(name), plaintext);
  }

  /** Opens a record of our own that is to be sealed anew in other portions. */
  reopen(name: RecordName, sealed: Uint8Array): Uint8Array | undefined {
    const current = name.phase === (this.#phase & 1);
    const keys = current ? this.#keys : this.#previous;
    if (keys === undefined) return undefined;
    return this.#crypto.open(keys.pair[name.lane], nonceOf(name.record), recordAad(name), sealed);
  }
}

/** Opens the peer's records, and follows it into its next phase. */
export class OpenKeys {
  readonly #crypto: Crypto;
  #phase = 0;
  #previous: DirectionKeys | undefined;
  #current: DirectionKeys;
  #next: DirectionKeys;

  /** @param side - The peer's. */
  constructor(
    crypto: Crypto,
    secret: Uint8Array,
    options: { readonly side: Side; readonly ids: AssociationIds },
  ) {
    this.#crypto = crypto;
    this.#current = direction(crypto, secret, options.side, options.ids);
    this.#next = this.#current.next();
  }

  /** The plaintext of a record, good for this step, or `undefined` where it is not the peer's. */
  open(name: RecordName, sealed: Uint8Array): Uint8Array | undefined {
    if (name.phase === (this.#phase & 1)) return this.#try(this.#current, name, sealed);
    // The other phase is the one before, for what was under way at the change, or the one after.
    const late = this.#previous === undefined ? undefined : this.#try(this.#previous, name, sealed);
    if (late !== undefined) return late;
    const early = this.#try(this.#next, name, sealed);
    if (early !== undefined) {
      this.#phase += 1;
      this.#previous = this.#current;
      this.#current = this.#next;
      this.#next = this.#current.next();
    }
    return early;
  }

  #try(keys: DirectionKeys, name: RecordName, sealed: Uint8Array): Uint8Array | undefined {
    const key = keys.pair[name.lane];
    const into = OPENED.take(Math.max(0, sealed.length - TAG_BYTES));
    return this.#crypto.open(key, nonceOf(name.record), recordAad(name), sealed, into);
  }
}
