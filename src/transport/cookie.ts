import { ByteWriter } from "../base/byte-writer.ts";
import { equalSecrets } from "../base/bytes.ts";
import { encodeUtf8 } from "../base/utf8.ts";
import type { Crypto } from "../effects/crypto.ts";
import { type Address, addressText } from "../effects/network.ts";
import { COOKIE_US } from "./constants.ts";

/** Length of a cookie, in bytes. */
const COOKIE_BYTES = 16;

/**
 * Cookies that show that whoever sent a HELLO can be reached at the address it came from.
 *
 * Nothing is kept for a cookie that was given out: it is a MAC over the address, the initiator's
 * association id and the time, good for one to two `COOKIE_US`.
 */
export class Cookies {
  readonly #crypto: Crypto;
  readonly #secret: Uint8Array;

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
    this.#secret = crypto.randomBytes(32);
  }

  make(nowUs: number, from: Address, source: number): Uint8Array {
    return this.#mac(Math.floor(nowUs / COOKIE_US), from, source);
  }

  check(nowUs: number, from: Address, source: number, cookie: Uint8Array): boolean {
    const period = Math.floor(nowUs / COOKIE_US);
    return [period, period - 1].some((time) => equalSecrets(this.#mac(time, from, source), cookie));
  }

  #mac(period: number, from: Address, source: number): Uint8Array {
    const writer = new ByteWriter();
    writer.u64(Math.max(0, period));
    writer.u32(source);
    writer.bytes(encodeUtf8(addressText(from)));
    return this.#crypto.hmac(this.#secret, writer.written()).slice(0, COOKIE_BYTES);
  }
}
