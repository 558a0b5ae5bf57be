import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import { Prng } from "../../../src/base/prng.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  type ApiServer,
  contentIds,
  deviceIds,
} from "./api-server.ts";

/** What came of many requests. */
export type RequestsOutcome = {
  /** How many of each status there were. */
  readonly statuses: ReadonlyMap<number, number>;
  /** How many of each operation. */
  readonly operations: ReadonlyMap<string, number>;
  /** What must not be: at most the first ten. */
  readonly wrong: readonly string[];
};

/** What the document says of a value, as far as we use it. */
type Schema = {
  readonly $ref?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minItems?: number;
  readonly uniqueItems?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
};

type Media = Readonly<Record<string, { readonly schema: Schema }>>;

type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
};

type DocumentedOperation = {
  readonly operationId: string;
  readonly parameters?: Operation["parameters"];
  readonly requestBody?: { readonly content: Media };
  readonly responses: Operation["responses"];
};

type Operation = {
  readonly operationId: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: "path" | "query" | "header";
    readonly required: boolean;
    readonly schema: Schema;
  }[];
  readonly body: Schema | undefined;
  /** Whether it takes bytes. */
  readonly bytes: boolean;
  readonly responses: Readonly<Record<string, { readonly content?: Media }>>;
};

/** How many requests are under way at once. */
const AT_ONCE = 8;

/**
 * Asks a server for what its OpenAPI document allows, and for what it does not, and holds every answer
 * against the document.
 */
export async function askManyThings(
  server: ApiServer,
  {
    count,
    seed,
    signal,
  }: { readonly count: number; readonly seed: number; readonly signal?: AbortSignal },
): Promise<RequestsOutcome> {
  const document: Document = JSON.parse(
    (await server.ask({ method: "GET", path: "/api/v1/openapi.json" })).text,
  );
  const asker = new Asker(document, server, seed);
  let left = count;
  const work = async (): Promise<void> => {
    while (left > 0 && asker.wrong.length < 10) {
      signal?.throwIfAborted();
      left -= 1;
      await asker.ask();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return asker;
}

class Asker implements RequestsOutcome {
  readonly statuses = new Map<number, number>();
  readonly operations = new Map<string, number>();
  readonly wrong: string[] = [];
  readonly #document: Document;
  readonly #server: ApiServer;
  readonly #chance: Prng;
  readonly #operations: readonly Operation[];
  readonly #ajv = new Ajv2020({ strict: false });
  readonly #validators = new Map<string, ValidateFunction>();
  /** Values that mean something to this server, by the name of a property or parameter. */
  readonly #known = new Map<string, unknown[]>([
    ["contentId", [...contentIds()]],
    ["content", contentIds().map((id) => id.slice(0, 62))],
    ["deviceId", [...deviceIds(20)]],
    ["deploymentId", ["0000000000000001", "0000000000000002"]],
    ["office", ["Office 1", "Office 2"]],
    ["device", [...deviceIds(3)]],
    ["url", ["http://127.0.0.1:9/hook"]],
    ["location", ["https://cdn.example/p", "/srv/packages"]],
    ["search", ["pc-1", "tool"]],
    ["If-Match", ["*"]],
    ["Idempotency-Key", ["one", "two", "three"]],
  ]);

  constructor(document: Document, server: ApiServer, seed: number) {
    this.#document = document;
    this.#server = server;
    this.#chance = new Prng(seed);
    this.#operations = operationsOf(document);
    this.#ajv.addSchema({ $id: "https://api.example/", ...document });
  }

  async ask(): Promise<void> {
    const operation = this.#pick(this.#operations);
    const valid = this.#valid(operation);
    const spoilt = this.#chance.below(10) < 4 ? this.#spoil(valid) : undefined;
    const request = spoilt ?? valid;
    let answer: ApiAnswer;
    try {
      answer = await this.#server.ask(request);
    } catch (error) {
      this.#say(request, `no answer: ${String(error)}`);
      return;
    }
    count(this.statuses, answer.status);
    count(this.operations, operation.operationId);
    this.#learn(answer);
    const fault = this.#faultOf(operation, answer, spoilt === undefined);
    if (fault !== undefined)
      this.#say(request, `${answer.status}: ${fault}: ${answer.text.slice(0, 300)}`);
  }

  #say({ method, path, headers, body }: ApiRequest, fault: string): void {
    const asked = JSON.stringify({ method, path, headers, body: body?.slice(0, 300) });
    if (this.wrong.length < 10) this.wrong.push(`${asked} -> ${fault}`);
  }

  /** What is wrong with an answer. */
  #faultOf(operation: Operation, answer: ApiAnswer, isValid: boolean): string | undefined {
    const { status } = answer;
    if (status >= 500) return "a server error";
    const refusal = status >= 400 ? this.#faultOfRefusal(answer, isValid) : undefined;
    if (refusal !== undefined) return refusal;
    // What was spoilt may be something else altogether, as another path.
    const isDocumented = operation.responses[status] !== undefined;
    if (!isDocumented) return isValid ? "a status that is not documented" : undefined;
    if (status === 304 || status >= 400 || !isValid) return undefined;
    return this.#faultOfBody(operation, answer);
  }

  #faultOfRefusal({ status, text, headers }: ApiAnswer, isValid: boolean): string | undefined {
    const media = headers["content-type"];
    if (media !== "application/problem+json") return `a refusal as ${media}`;
    const validate = this.#validator("#/components/schemas/Problem");
    const problem: { readonly code: string; readonly status: number } = JSON.parse(text);
    if (!validate(problem)) return `no problem document: ${this.#ajv.errorsText(validate.errors)}`;
    if (problem.status !== status) return "a problem of another status";
    const isMistake = isValid && problem.code === "request-malformed";
    return isMistake ? "what the document allows was refused" : undefined;
  }

  #faultOfBody(operation: Operation, answer: ApiAnswer): string | undefined {
    const { status, text, headers } = answer;
    const media = String(headers["content-type"] ?? "");
    const content = operation.responses[status]?.content;
    const documented = Object.keys(content ?? {}).find((one) => media.startsWith(one));
    if (documented === undefined) return `an answer as ${media}`;
    if (documented !== "application/json") return undefined;
    const path = operation.path.replaceAll("~", "~0").replaceAll("/", "~1");
    const method = operation.method.toLowerCase();
    const pointer = `#/paths/${encodeURIComponent(path)}/${method}/responses/${status}/content/application~1json/schema`;
    const validate = this.#validator(pointer);
    return validate(JSON.parse(text))
      ? undefined
      : `outside its schema: ${this.#ajv.errorsText(validate.errors)}`;
  }

  #validator(pointer: string): ValidateFunction {
    const known = this.#validators.get(pointer);
    if (known !== undefined) return known;
    const made = this.#ajv.compile({ $ref: `https://api.example/${pointer}` });
    this.#validators.set(pointer, made);
    return made;
  }

  /** Keeps ids and cursors that an answer names, for later requests. */
  #learn({ text, headers, status }: ApiAnswer): void {
    if (status >= 300 || !String(headers["content-type"]).startsWith("application/json")) return;
    const remember = (name: string, value: unknown): void => {
      // Without its own token it could ask nothing more.
      if (value === this.#server.tokenId) return;
      const values = this.#known.get(name) ?? [];
      this.#known.set(name, [...values.slice(-30), value]);
    };
    const { etag } = headers;
    if (etag !== undefined)
      remember(this.#chance.below(2) === 0 ? "If-Match" : "If-None-Match", etag);
    const visit = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      for (const [name, member] of Object.entries(value).slice(0, 20)) {
        // In the document itself a name stands before a schema.
        if (typeof member !== "string") visit(member);
        else if (name === "next") remember("cursor", member);
        else if (/^(deployment|webhook|token)Id$/.test(name)) remember(name, member);
      }
    };
    visit(JSON.parse(text));
  }

  #valid({ method, path, parameters, body, bytes }: Operation): ApiRequest {
    const headers: Record<string, string> = {};
    const query = new URLSearchParams();
    let whole = path;
    for (const parameter of parameters) {
      if (!parameter.required && this.#chance.below(3) !== 0) continue;
      const value = String(this.#value(parameter.schema, parameter.name));
      if (parameter.in === "path")
        whole = whole.replace(`{${parameter.name}}`, encodeURIComponent(value));
      else if (parameter.in === "query") query.set(parameter.name, value);
      else headers[parameter.name] = this.#known.has(parameter.name) ? value : '"x"';
    }
    if (bytes) {
      headers["content-type"] = "application/octet-stream";
      return { method, path: withQuery(whole, query), headers, body: '"some bytes"' };
    }
    if (body === undefined) return { method, path: withQuery(whole, query), headers };
    const text = JSON.stringify(this.#value(body, ""));
    headers["content-type"] = "application/json";
    return { method, path: withQuery(whole, query), headers, body: text };
  }

  /** Draws a value that a schema allows; where it can one that means something. */
  #value(schema: Schema, name: string): unknown {
    const whole = this.#resolved(schema);
    const known = whole.type === "string" ? this.#known.get(name) : undefined;
    if (known !== undefined && this.#chance.below(4) !== 0) return this.#pick(known);
    if ("const" in whole) return whole.const;
    const choices = whole.enum ?? whole.anyOf;
    if (choices !== undefined) {
      const choice = this.#pick(choices);
      return "enum" in whole ? choice : this.#value(choice as Schema, name);
    }
    switch (whole.type) {
      case "object":
        return this.#object(whole);
      case "array":
        return this.#array(whole, name);
      case "boolean":
        return this.#chance.below(2) === 0;
      case "integer":
      case "number":
        return this.#number(whole);
      default:
        return this.#text(whole);
    }
  }

  #object(schema: Schema): object {
    const required = new Set(schema.required ?? []);
    const properties = Object.entries(schema.properties ?? {});
    const drawn = properties.filter(([name]) => required.has(name) || this.#chance.below(2) === 0);
    return Object.fromEntries(drawn.map(([name, one]) => [name, this.#value(one, name)]));
  }

  #array(schema: Schema, name: string): unknown[] {
    const least = schema.minItems ?? 0;
    const items = schema.items ?? {};
    const drawn = Array.from({ length: least + this.#chance.below(4) }, () =>
      this.#value(items, name.replace(/s$/, "")),
    );
    return schema.uniqueItems === true ? [...new Set(drawn)] : drawn;
  }

  #number(schema: Schema): number {
    const least = schema.minimum ?? 0;
    const most = Math.min(schema.maximum ?? Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    const choices = [least, most, least + this.#chance.below(Math.min(1_000, most - least + 1))];
    return this.#pick(choices);
  }

  #text(schema: Schema): string {
    const pattern = schema.pattern;
    const maxLength = Math.min(schema.maxLength ?? 40, 300);
    const minLength = schema.minLength ?? 0;
    const seed = this.#chance.next() | 0;
    if (pattern?.includes("\\p{") === true) return `name ${this.#chance.below(1_000)}`;
    const texts =
      pattern === undefined
        ? fc.string({ minLength, maxLength, unit: "grapheme" })
        : fc.stringMatching(new RegExp(pattern, "u"), { maxLength: Math.max(maxLength, 64) });
    const [text = ""] = fc.sample(texts, { seed, numRuns: 1 });
    // Characters are counted by code points here, and graphemes may have many.
    return pattern === undefined ? [...text].slice(0, maxLength).join("") : text;
  }

  #resolved(schema: Schema): Schema {
    const name = /^#\/components\/schemas\/(.+)$/.exec(schema.$ref ?? "")?.[1];
    return name === undefined ? schema : (this.#document.components.schemas[name] ?? {});
  }

  /** Makes something of a request that nobody should send. */
  #spoil(request: ApiRequest): ApiRequest {
    const { headers, path, body } = request;
    const at = (text: string): number => this.#chance.below(text.length + 1);
    const cut = at(path);
    const spoilings: (() => ApiRequest)[] = [
      () => ({
        ...request,
        path: withQuery(path, new URLSearchParams({ [this.#odd()]: this.#odd() })),
      }),
      () => ({
        ...request,
        path: `${path.slice(0, cut)}${encodeURIComponent(this.#odd())}${path.slice(cut)}`,
      }),
      () => ({ ...request, path: `${path.slice(0, cut)}%${path.slice(cut)}` }),
      () => ({
        ...request,
        method: this.#pick(["PATCH", "DELETE", "PUT", "POST", "GET", "OPTIONS"]),
      }),
      () => ({
        ...request,
        headers: { ...headers, authorization: this.#pick(["", "Bearer x", "Basic eDp5"]) },
      }),
      () => ({
        ...request,
        headers: { ...headers, "idempotency-key": this.#pick(["", " ", "a b", "x".repeat(300)]) },
      }),
      () => ({
        ...request,
        headers: { ...headers, "if-match": this.#pick(["", ",", '"', "W/*"]) },
      }),
      () => ({
        ...request,
        headers: { ...headers, "last-event-id": this.#pick(["-", "9e9-1", "1-1", "\\"]) },
      }),
    ];
    if (body !== undefined) {
      spoilings.push(
        () => ({ ...request, body: body.slice(0, at(body)) }),
        () => ({ ...request, body: this.#changed(body) }),
        () => ({ ...request, body: this.#changed(body) }),
        () => ({
          ...request,
          body: this.#pick([
            "null",
            "[]",
            "0",
            '""',
            '{"__proto__":1}',
            "\u0000",
            "[".repeat(9_999),
          ]),
        }),
        () => ({
          ...request,
          headers: {
            ...headers,
            "content-type": this.#pick(["text/xml", "", "application/json; x"]),
          },
        }),
      );
    }
    return this.#pick(spoilings)();
  }

  /** A body of which one value, anywhere, is another. */
  #changed(body: string): string {
    const root = { root: JSON.parse(body) as unknown };
    const places: (readonly [Record<string, unknown>, string])[] = [];
    const visit = (value: object): void => {
      for (const [name, member] of Object.entries(value)) {
        places.push([value as Record<string, unknown>, name]);
        if (typeof member === "object" && member !== null) visit(member);
      }
    };
    visit(root);
    const [holder, name] = this.#pick(places);
    const values = [null, true, -1, 0.5, 1e308, "", this.#odd(), [], {}, [null], { a: { b: [] } }];
    if (this.#chance.below(4) === 0) holder[this.#odd()] = this.#pick(values);
    else holder[name] = this.#pick(values);
    return JSON.stringify(root.root) ?? "";
  }

  #odd(): string {
    return this.#pick([
      "",
      "..",
      "../../etc/passwd",
      "\r\nx: y",
      "\u0000",
      "ü",
      "\u202e",
      "%00",
      "constructor",
      "$where",
      "a".repeat(3_000),
      "'; drop table devices; --",
    ]);
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#chance.below(values.length)] as T;
  }
}

function operationsOf({ paths }: Document): readonly Operation[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, one]) => ({
      operationId: one.operationId,
      method: method.toUpperCase(),
      path,
      parameters: one.parameters ?? [],
      body: one.requestBody?.content["application/json"]?.schema,
      bytes: one.requestBody?.content["application/octet-stream"] !== undefined,
      responses: one.responses,
    })),
  );
}

function withQuery(path: string, query: URLSearchParams): string {
  if (query.size === 0) return path;
  return `${path}${path.includes("?") ? "&" : "?"}${query}`;
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
