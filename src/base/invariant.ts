/**
 * Stops the process when one of our own assumptions turns out to be false.
 *
 * For programmer mistakes only. Anything a peer, a disk or a user can cause is a value
 * (see `Result`) and must be handled, never asserted.
 */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}

/** Marks the branch the type checker has proved cannot be reached. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable: ${JSON.stringify(value)}`);
}

/** One of our own assumptions was false. Never caught below the process boundary. */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
}
