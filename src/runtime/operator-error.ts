/**
 * Something that the person who runs the program can mend.
 *
 * The message says what was wrong and what to do; `code` is stable, for scripts and for the table
 * of codes in the documentation.
 */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
  readonly code: string;

  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
