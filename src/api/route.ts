import { type Static, type TObject, type TSchema, Type } from "typebox";

/** One operation of an HTTP API, as data: validation, types and documentation all come from it. */
export type Route<
  Params extends TObject = TObject,
  Query extends TObject = TObject,
  Body extends TSchema = TSchema,
  Response extends TSchema = TSchema,
> = {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Parameters are written as `:name`. */
  readonly path: string;
  /** One line for the documentation. */
  readonly summary: string;
  readonly params: Params;
  readonly query: Query;
  /** What the request must carry; `NoBody` where it carries nothing. */
  readonly body: Body;
  /** The status of the answer when all went well. */
  readonly status: 200 | 201;
  readonly response: Response;
  /**
   * Whether it may be asked again under the same `Idempotency-Key` without being done again. Of
   * what is `secret` the answer is not kept, so that asking again only says that it was done.
   */
  readonly once?: "kept" | "secret";
  /** Whether it obeys `If-Match`: the tag of what GET of the same path answers. */
  readonly ifMatch?: true;
  /** Most bytes of a body; absent: a megabyte. */
  readonly bodyBytesMax?: number;
  /** Whether the body is bytes, which the operation takes as they come; its schema is `BytesBody`. */
  readonly bytes?: true;
};

/** The operations of an API by name. */
export type Routes = Readonly<Record<string, Route>>;

/**
 * Something that an API answers in another form than JSON: a text, or a stream of events.
 *
 * All of them are read with GET.
 */
export type Page<Query extends TObject = TObject> = {
  readonly path: string;
  readonly summary: string;
  readonly query: Query;
  readonly media: "text/plain" | "text/event-stream" | "application/json";
  /** Whether nobody has to show a token for it. */
  readonly open: boolean;
  /** The other statuses that it answers with. */
  readonly refusals: readonly number[];
};

/** The pages of an API by name. */
export type Pages = Readonly<Record<string, Page>>;

/** The parameters in the path of an operation. */
export type ParamsOf<R extends Route> = Static<R["params"]>;

/** The parameters behind the question mark. */
export type QueryOf<R extends Pick<Route, "query">> = Static<R["query"]>;

/** What a request for an operation carries. */
export type BodyOf<R extends Route> = Static<R["body"]>;

/** What an operation answers. */
export type ResponseOf<R extends Route> = Static<R["response"]>;

/** An object without any property but the named ones: a mistyped name is refused, not ignored. */
export function exact<P extends Record<string, TSchema>>(properties: P) {
  return Type.Object(properties, { additionalProperties: false });
}

/** The parameters of a path, or of a query, without any. */
export const NoParams = exact({});

/** The body of a request without one. */
export const NoBody = Type.Undefined();

/** The body of a request that carries bytes. */
export const BytesBody = Type.Unsafe<AsyncIterable<Uint8Array>>({
  type: "string",
  format: "binary",
});

/** Keeps the literal types of a route. */
export function route<
  Params extends TObject = typeof NoParams,
  Query extends TObject = typeof NoParams,
  Body extends TSchema = typeof NoBody,
  Response extends TSchema = TSchema,
>(
  given: Omit<Route, "params" | "query" | "body" | "response"> & {
    readonly params?: Params;
    readonly query?: Query;
    readonly body?: Body;
    readonly response: Response;
  },
): Route<Params, Query, Body, Response> {
  return {
    ...given,
    params: given.params ?? (NoParams as unknown as Params),
    query: given.query ?? (NoParams as unknown as Query),
    body: given.body ?? (NoBody as unknown as Body),
  };
}

/** Keeps the literal types of a page. */
export function page<Query extends TObject = typeof NoParams>(
  given: Omit<Page, "query" | "refusals"> & {
    readonly query?: Query;
    readonly refusals?: readonly number[];
  },
): Page<Query> {
  return {
    ...given,
    query: given.query ?? (NoParams as unknown as Query),
    refusals: given.refusals ?? [],
  };
}
