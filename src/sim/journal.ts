/** How many of the last things that happened can be read again. */
const TAIL_LINES = 400;

/**
 * What happens in a world, in a form in which two runs can be compared and the end of one be read:
 * a hash over all of it, and the last lines.
 */
export class Journal {
  readonly #now: () => number;
  readonly #lines: string[] = [];
  readonly #numbers = new Map<string, number>();
  #low = 0x81_1c_9d_c5;
  #high = 0x01_93_5f_b1;
  /** How many things have happened. */
  events = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The hash of everything so far, in hexadecimal digits. */
  get hash(): string {
    return [this.#high, this.#low].map((half) => half.toString(16).padStart(8, "0")).join("");
  }

  /** The last things that happened, a line each: when, who, what. */
  get tail(): readonly string[] {
    return this.#lines.slice(-TAIL_LINES);
  }

  /** Something that a person may want to read. */
  note(who: string, what: string): void {
    this.count(who, this.#numberOf(what));
    const seconds = (this.#now() / 1_000_000).toFixed(6).padStart(12);
    this.#lines.push(`${seconds}  ${who.padEnd(12)}  ${what}`);
    if (this.#lines.length >= 2 * TAIL_LINES) this.#lines.splice(0, TAIL_LINES);
  }

  /** Something that is part of the hash alone. */
  count(who: string, what: number): void {
    this.events += 1;
    const nowUs = this.#now();
    this.#mix(nowUs | 0);
    this.#mix(Math.floor(nowUs / 0x1_00_00_00_00));
    this.#mix(this.#numberOf(who));
    this.#mix(what);
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01_00_01_93) >>> 0;
    this.#high = Math.imul(this.#high ^ (value + (this.#low >>> 15)), 0x85_eb_ca_6b) >>> 0;
  }

  #numberOf(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    let number = 0x81_1c_9d_c5;
    for (let at = 0; at < text.length; at += 1) {
      number = Math.imul(number ^ text.charCodeAt(at), 0x01_00_01_93);
    }
    // Few texts are told often, and those are short: addresses and kinds.
    if (text.length < 40) this.#numbers.set(text, number);
    return number;
  }
}
