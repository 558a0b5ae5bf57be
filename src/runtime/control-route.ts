import type { Static, TObject, TSchema } from "typebox";

/**
 * One operation of a local API, as data.
 *
 * Structurally equal to `Route` of the API folder, which this folder may not import.
 */
export type ControlRoute = {
  readonly method: "GET" | "PUT" | "POST";
  /** Parameters are written as `:name`. */
  readonly path: string;
  readonly params: TObject;
  readonly body: TSchema;
  /** The status of the answer when all went well. */
  readonly status: number;
  readonly response: TSchema;
};

/** What a request brings. */
export type ControlRequest<R extends ControlRoute> = {
  readonly params: Static<R["params"]>;
  readonly body: Static<R["body"]>;
};

/** What an operation answers. */
export type ControlResponse<R extends ControlRoute> = Static<R["response"]>;

/** One function for each operation of an API. */
export type ControlHandlers<Routes extends Readonly<Record<string, ControlRoute>>> = {
  readonly [Name in keyof Routes]: (
    request: ControlRequest<Routes[Name]>,
  ) => Promise<ControlResponse<Routes[Name]>> | ControlResponse<Routes[Name]>;
};

/** Why a request was refused (RFC 9457). */
export type ControlProblem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
};
