import { setFlagsFromString } from "node:v8";

/**
 * Settings of the engine for a program through which much passes, all of them measured with
 * `npm run bench -- tree`.
 *
 * An agent that is idle pays for them in resident memory (on Linux): 20 s after its start 124 MB
 * instead of 123 (means of 8 starts, which differ by 2 MB), a minute after a transfer of 64 MB
 * 217 MB instead of 200 (means of 10). Four minutes after it one that has fetched holds about
 * 138 MB either way (means of 4 and 5).
 *
 * Each needs a name that this engine knows: another one is passed over, with a line on standard
 * error.
 */
const FLAGS: readonly string[] = [
  // V8 counts the buffers of all that is received, opened and stored as if it would stay, and so
  // looks through the whole heap for every 24 MB of them: a fifth of what a transfer costs. This
  // lets more garbage gather between two collections: so much more, in per cent of what is in use.
  // For that, memory is given back later after a transfer.
  "--heap-growing-percent=300",
  // A function counts from its first call on, not from its eighth, what the compiler must know to
  // make it fast: a twelfth less. An idle agent holds 0.6 MB more for it after its start, and
  // after a transfer no more than with the flag above alone.
  "--no-lazy-feedback-allocation",
];

/** Makes the engine ready; to be called before what is to become fast runs for the first time. */
export function tuneEngine(): void {
  for (const flag of FLAGS) setFlagsFromString(flag);
}
