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
const THROUGHPUT: readonly string[] = [
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

/**
 * Settings of the engine for a program that knows much and through which little passes, measured with
 * `npm run bench -- server`: with 10,000 clients that fetch, 0.75 GB of memory are in use with the
 * first of them and 0.65 GB with both, for the same processor time.
 */
const MANY_PEERS: readonly string[] = [
  // So much more than is in use, in per cent, before the whole heap is looked through.
  "--heap-growing-percent=30",
  // What is new stays in the 2 MB that it begins with. It would grow to 128 MB here: most of what
  // comes waits for a transaction, and so outlives the time in which new things are thrown away.
  "--semi-space-growth-factor=1",
];

/** Makes the engine ready; to be called before what is to become fast runs for the first time. */
export function tuneEngine(purpose: "throughput" | "many-peers"): void {
  const flags = purpose === "throughput" ? THROUGHPUT : MANY_PEERS;
  for (const flag of flags) setFlagsFromString(flag);
}
