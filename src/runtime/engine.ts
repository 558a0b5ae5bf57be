import { setFlagsFromString } from "node:v8";

/**
 * Settings of the engine for a program through which much passes, all of them measured with
 * `npm run bench -- tree`. They change nothing for a program that is idle.
 *
 * Each needs a name that this engine knows: another one is passed over, with a line on standard
 * error.
 */
const FLAGS: readonly string[] = [
  // V8 counts the buffers of all that is received, opened and stored as if it would stay, and so
  // looks through the whole heap for every 24 MB of them: a fifth of what a transfer costs. This
  // lets more garbage gather between two collections: so much more, in per cent of what is in use.
  "--heap-growing-percent=300",
  // A function counts from its first call on, not from its eighth, what the compiler must know to
  // make it fast: a twelfth less.
  "--no-lazy-feedback-allocation",
];

/** Makes the engine ready; to be called before what is to become fast runs for the first time. */
export function tuneEngine(): void {
  for (const flag of FLAGS) setFlagsFromString(flag);
}
