import { type Static, type TObject, type TSchema, Type } from "typebox";

/** One operation of an HTTP API, as data: validation, types and documentation all come from it. */
export type Route<
  Params extends TObject = TObject,
  Body extends TSchema = TSchema,
  Response extends TSchema = TSchema,
> = {
  readonly method: "GET" | "PUT" | "POST";
  /** Parameters are written as `:name`. */
  readonly path: string;
  /** One line for the documentation. */
  readonly summary: string;
  readonly params: Params;
  /** What the request must carry; `NoBody` where it carries nothing. */
  readonly body: Body;
  /** The status of the answer when all went well. */
  readonly status: 200 | 201;
  readonly response: Response;
};

/** The operations of an API by name. */
export type Routes = Readonly<Record<string, Route>>;

/** The parameters in the path of an operation. */
export type ParamsOf<R extends Route> = Static<R["params"]>;

/** What a request for an operation carries. */
export type BodyOf<R extends Route> = Static<R["body"]>;

/** What an operation answers. */
export type ResponseOf<R extends Route> = Static<R["response"]>;

/** The parameters of a path without any. */
export const NoParams = Type.Object({});

/** The body of a request without one. */
export const NoBody = Type.Undefined();

/** Keeps the literal types of a route. */
export function route<
  Params extends TObject = typeof NoParams,
  Body extends TSchema = typeof NoBody,
  Response extends TSchema = TSchema,
>(
  given: Pick<Route, "method" | "path" | "summary" | "status"> & {
    readonly params?: Params;
    readonly body?: Body;
    readonly response: Response;
  },
): Route<Params, Body, Response> {
  return {
    ...given,
    params: given.params ?? (NoParams as unknown as Params),
    body: given.body ?? (NoBody as unknown as Body),
  };
}

/** An object without any property but the named ones: a mistyped name is refused, not ignored. */
export function exact<P extends Record<string, TSchema>>(properties: P) {
  return Type.Object(properties, { additionalProperties: false });
}
