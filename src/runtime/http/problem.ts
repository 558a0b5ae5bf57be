import { OperatorError } from "../operator-error.ts";

/** Why a request was refused (RFC 9457). */
export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
};

/** One thing that is wrong in a request. */
export type FieldError = {
  readonly in: "path" | "query" | "body";
  /** RFC 6901; empty for the whole. */
  readonly pointer: string;
  readonly detail: string;
};

/** A request that is refused: `status` is the HTTP one. */
export class RequestRefused extends OperatorError {
  readonly status: number;
  /** What the problem says beside its sentence. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** What the answer's headers say beside the problem. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    detail: string,
    extra: Readonly<Record<string, unknown>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(code, detail);
    this.status = status;
    this.extra = extra;
    this.headers = headers;
  }
}

/** The problem document of anything that is thrown while a request is answered. */
export function problemOf(error: unknown): Problem {
  if (error instanceof RequestRefused) {
    return { ...error.extra, ...problem(error.status, error.code, error.message) };
  }
  if (error instanceof OperatorError) return problem(422, error.code, error.message);
  const { code, statusCode } = error as { readonly code?: unknown; readonly statusCode?: unknown };
  const known = FRAMEWORK.get(String(code));
  if (known !== undefined) return known;
  if (typeof statusCode === "number" && statusCode >= 400 && statusCode < 500) {
    const detail = "The request cannot be read: see /api/docs for what it must be like.";
    return problem(statusCode, "request-malformed", detail);
  }
  return problem(500, "internal-error", "The program made a mistake: its log says which.");
}

/** A problem document. Its title is its code in words; its type never changes its meaning. */
export function problem(status: number, code: string, detail: string): Problem {
  const type = `urn:branchline:problem:${code}`;
  return { type, title: code.replaceAll("-", " "), status, detail, code };
}

/** The media type of a problem. */
export const PROBLEM_MEDIA = "application/problem+json";

const NOT_JSON = problem(
  400,
  "body-not-json",
  "The body is not valid JSON: send one JSON object, as UTF-8.",
);

/** What the framework refuses by itself, in our words. */
const FRAMEWORK: ReadonlyMap<string, Problem> = new Map([
  [
    "FST_ERR_CTP_BODY_TOO_LARGE",
    problem(413, "body-too-large", "The body has more bytes than this operation takes: send less."),
  ],
  [
    "FST_ERR_CTP_INVALID_MEDIA_TYPE",
    problem(415, "media-type-unknown", "Send the body as content-type: application/json."),
  ],
  ["FST_ERR_CTP_EMPTY_JSON_BODY", NOT_JSON],
  ["FST_ERR_CTP_INVALID_JSON_BODY", NOT_JSON],
  [
    "FST_ERR_CTP_INVALID_CONTENT_LENGTH",
    problem(400, "request-malformed", "The body has another length than content-length says."),
  ],
  [
    "FST_ERR_BAD_URL",
    problem(400, "request-malformed", "The path has a percent sign that encodes nothing."),
  ],
]);
