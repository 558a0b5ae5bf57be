/** What the server says carries a number, so that an older word never replaces a newer one. */
export type Numbered = { readonly epoch: number; readonly version: number };

/** Whether something was said before what is known already; then it has no effect. */
export function isOlder(said: Numbered, known: Numbered | undefined): boolean {
  if (known === undefined || said.epoch > known.epoch) return false;
  return said.epoch < known.epoch || said.version < known.version;
}
