import type { Static, TObject, TSchema } from "typebox";

// Structurally equal to `Route` and `Page` of the API folder, which this folder may not import.

/** One operation of an HTTP API, as data. */
export type HttpRoute = {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Parameters are written as `:name`. */
  readonly path: string;
  readonly params: TObject;
  readonly query: TObject;
  readonly body: TSchema;
  /** The status of the answer when all went well. */
  readonly status: number;
  readonly response: TSchema;
  /** Whether it may be asked again under the same `Idempotency-Key` without being done again. */
  readonly once?: "kept" | "secret";
  /** Whether it obeys `If-Match`. */
  readonly ifMatch?: true;
  /** Most bytes of a body. */
  readonly bodyBytesMax?: number;
  /** Whether the body is bytes, which the operation takes as they come. */
  readonly bytes?: true;
};

/** Something that is read with GET and is answered in another form than a JSON object. */
export type HttpPage = {
  readonly path: string;
  readonly query: TObject;
  readonly media: string;
  /** Whether nobody has to show a token for it. */
  readonly open: boolean;
};

/** Who asks. */
export type Caller =
  /** Somebody who may use the control socket. */
  | { readonly kind: "local" }
  | {
      readonly kind: "token";
      readonly tokenId: string;
      /** Whether the token is still good: asked again while a stream lasts. */
      readonly isGood: () => boolean;
    };

/** What a request brings. */
export type HttpRequest<R extends HttpRoute> = {
  readonly params: Static<R["params"]>;
  readonly query: Static<R["query"]>;
  readonly body: Static<R["body"]>;
  /** The tag that what is to be changed must have; absent where anything will do. */
  readonly ifMatch?: string;
  readonly caller: Caller;
};

/** What an operation answers. */
export type HttpResponse<R extends HttpRoute> = Static<R["response"]>;

/** The operations of an API by name. */
export type HttpRoutes = Readonly<Record<string, HttpRoute>>;

/** One function for each operation of an API. */
export type HttpHandlers<Routes extends HttpRoutes> = {
  readonly [Name in keyof Routes]: (
    request: HttpRequest<Routes[Name]>,
  ) => Promise<HttpResponse<Routes[Name]>> | HttpResponse<Routes[Name]>;
};

/** What reads a page. */
export type PageRequest<P extends HttpPage> = {
  readonly query: Static<P["query"]>;
  /** By name, in lower case. */
  readonly header: (name: string) => string | undefined;
  readonly caller: Caller;
};

/** Where a stream is written to. */
export type PageSink = {
  /** Writes a text; does nothing once the stream is closed. */
  write(text: string): void;
  /** How many bytes the reader has not taken yet. */
  backlogBytes(): number;
  /** Ends the stream at once. */
  cut(): void;
};

/** What a page answers: a text, or a stream that begins when the sink is there. */
export type PageAnswer =
  | { readonly text: string; readonly media?: string }
  /** `open` gives what is to be called when the reader has gone. */
  | { readonly open: (sink: PageSink) => () => void };

/** The pages of an API by name. */
export type HttpPages = Readonly<Record<string, HttpPage>>;

/** One function for each page of an API. */
export type PageHandlers<Pages extends HttpPages> = {
  readonly [Name in keyof Pages]: (
    request: PageRequest<Pages[Name]>,
  ) => Promise<PageAnswer> | PageAnswer;
};
