import { MS } from "../base/units.ts";

/**
 * What the server's wall clock shows, by which windows open and close: a device's own may be wrong.
 *
 * While the server is there its word counts, and time since passes by the counting clock, which
 * nobody sets. While it is away the own wall clock counts, which goes on in a machine that sleeps
 * or is off, less what it was wrong by when the server was last there.
 */
export class ServerClock {
  /** Wall clock less the counting one; unknown until anybody has said what time it is. */
  #offsetMs: number | undefined;
  /** What the own wall clock has to be corrected by. */
  #correctionMs = 0;

  /** The time in milliseconds since 1970; `undefined` while nothing is known of it. */
  atMs(nowUs: number): number | undefined {
    return this.#offsetMs === undefined ? undefined : Math.floor(this.#offsetMs + nowUs / MS);
  }

  /** The server says what time it is. */
  onServer(nowUs: number, wallMs: number): void {
    this.#offsetMs = wallMs - nowUs / MS;
  }

  /** What the own wall clock shows; said now and then, because it may jump. */
  onOwn(nowUs: number, wallMs: number, serverConnected: boolean): void {
    const knownMs = this.atMs(nowUs);
    if (serverConnected && knownMs !== undefined) this.#correctionMs = knownMs - wallMs;
    else this.#offsetMs = wallMs + this.#correctionMs - nowUs / MS;
  }
}
