import { OperatorError } from "../runtime/operator-error.ts";
import { type DatabasePlace, placeText } from "./database-place.ts";

// What PostgreSQL and the system say, in the words of our own errors. SQLSTATE: appendix A of the
// manual of PostgreSQL; the first two characters are the class.

/** Whether an error passes by itself: the server is away, starting, ending, or has no room now. */
export function isPassing(error: unknown): boolean {
  if (error instanceof OperatorError) return error.code === "database-in-use";
  const code = codeOf(error);
  if (/^(08|53|57P0)/.test(code) || PASSING.has(code)) return true;
  // What the driver says of a connection that broke has no code.
  const text = error instanceof Error ? error.message : "";
  return /connection terminated|connection timeout|read timeout|timeout exceeded|not queryable/i.test(
    text,
  );
}

const PASSING: ReadonlySet<string> = new Set([
  ...["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"],
  ...["ENOTFOUND", "EAI_AGAIN", "ENOENT"],
  // Serialisation, deadlock, and a server that only reads because another takes over from it.
  ...["40001", "40P01", "25006"],
]);

/** Why a database could not be opened, as somebody can mend it. */
export function openingError(place: DatabasePlace, cause: unknown): OperatorError {
  if (cause instanceof OperatorError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const shown = placeText(place);
  if (/corrupted migrations/.test(text)) {
    const mend = "install that version again, or restore a backup from before it";
    const sentence = `${shown} was written by a later version of Branchline: ${mend}.`;
    return new OperatorError("database-newer", sentence, { cause });
  }
  if (place.kind === "postgres") return postgresError(shown, cause, text);
  const mend = "check its owner and the disk, or restore a backup";
  const sentence = `The database ${shown} could not be opened (${text}): ${mend}.`;
  return new OperatorError("database-unreadable", sentence, { cause });
}

function postgresError(shown: string, cause: unknown, text: string): OperatorError {
  const code = codeOf(cause);
  if (isFileError(cause)) {
    const sentence = `A file that database.url names cannot be read (${text}): correct its path.`;
    return new OperatorError("database-tls", sentence, { cause });
  }
  if (code === "28P01" || code === "28000" || /SASL|password/i.test(text)) {
    const mend = "correct user and password in database.url, or what pg_hba.conf lets in";
    const sentence = `PostgreSQL refuses the login for ${shown} (${text}): ${mend}.`;
    return new OperatorError("database-login", sentence, { cause });
  }
  if (code === "3D000") {
    const mend = 'make it with "createdb", owned by the user in database.url';
    const sentence = `There is no such database as in ${shown} (${text}): ${mend}.`;
    return new OperatorError("database-missing", sentence, { cause });
  }
  if (code === "42501") {
    const mend = "make the user in database.url the owner of the database";
    const sentence = `The user may not do what is needed in ${shown} (${text}): ${mend}.`;
    return new OperatorError("database-not-permitted", sentence, { cause });
  }
  if (/\bSSL\b|certificate|self-signed|altname/i.test(text)) {
    const mend = "set sslmode and sslrootcert in database.url to what the server has";
    const sentence = `No safe connection to ${shown} comes about (${text}): ${mend}.`;
    return new OperatorError("database-tls", sentence, { cause });
  }
  if (isPassing(cause)) {
    const why = text === "" ? code : text;
    const mend = "is it running, and are host and port in database.url right?";
    const sentence = `PostgreSQL does not answer at ${shown} (${why}): ${mend}`;
    return new OperatorError("database-unreachable", sentence, { cause });
  }
  const sentence = `The database ${shown} could not be used (${text}): look at PostgreSQL's log.`;
  return new OperatorError("database-unreadable", sentence, { cause });
}

/** A certificate that `database.url` names, and not the server's socket. */
function isFileError(cause: unknown): boolean {
  return cause instanceof Error && "syscall" in cause && cause.syscall === "open";
}

/** What the system or PostgreSQL calls an error; empty for any other. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
