import type { TObject, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { type FieldError, RequestRefused } from "./problem.ts";

/** Checks one part of a request; gives the value to go on with. @throws RequestRefused */
export type Check = (value: unknown) => unknown;

/** A check against a schema. Nothing is converted, added or left out to make a value fit. */
export function checkOf(where: FieldError["in"], schema: TSchema): Check {
  if (isNothing(schema)) return checkNothing;
  const validator = Compile(schema);
  return (value) => {
    if (validator.Check(value)) return value;
    throw refusal(where, validator.Errors(value).slice(0, ERRORS_MAX));
  };
}

/** A check of a query, whose values are texts: what is to be a number or a truth value becomes one. */
export function checkOfQuery(schema: TObject): Check {
  const check = checkOf("query", schema);
  const kinds = new Map(
    Object.entries(schema.properties).map(([name, property]) => [
      name,
      "type" in property ? property.type : undefined,
    ]),
  );
  return (given) => {
    const query = Object.entries(given as object).map(([name, text]) => [
      name,
      convert(kinds.get(name), text),
    ]);
    return check(Object.fromEntries(query));
  };
}

/** Most things that a refusal names; also where TypeBox stops looking for more. */
const ERRORS_MAX = 8;

function isNothing(schema: TSchema): boolean {
  return "type" in schema && schema.type === "undefined";
}

function checkNothing(value: unknown): unknown {
  const empty = value === undefined || value === null || JSON.stringify(value) === "{}";
  if (empty) return undefined;
  const detail = "This operation takes no body.";
  throw refusal("body", [{ instancePath: "", message: detail, keyword: "", params: {} }]);
}

function convert(kind: unknown, text: unknown): unknown {
  if (typeof text !== "string") return text;
  if (kind === "integer" && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (kind === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}

type SchemaError = {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
};

function refusal(where: FieldError["in"], errors: readonly SchemaError[]): RequestRefused {
  // Of one property several things may be said, of which the first is the plainest.
  const fields = [
    ...new Map(
      errors
        .flatMap((error) => fieldErrors(where, error))
        .toReversed()
        .map((field) => [field.pointer, field] as const),
    ).values(),
  ].toReversed();
  const [first = { in: where, pointer: "", detail: "is not as it must be" }] = fields;
  const place = first.pointer === "" ? `The ${where}` : `${first.pointer} in the ${where}`;
  const detail = `${place} ${first.detail}. See /api/docs for what it may be.`;
  return new RequestRefused(400, "request-malformed", detail, { errors: fields });
}

function fieldErrors(where: FieldError["in"], error: SchemaError): readonly FieldError[] {
  const names = namesIn(error.params);
  if (names.length === 0) {
    return [{ in: where, pointer: cut(error.instancePath), detail: error.message }];
  }
  const detail = error.keyword === "required" ? "is missing" : "is no property that is known here";
  return names.map((name) => {
    const token = name.replaceAll("~", "~0").replaceAll("/", "~1");
    return { in: where, pointer: cut(`${error.instancePath}/${token}`), detail };
  });
}

/** The properties that an error is about: those that lack, or those that are too many. */
function namesIn(params: object): readonly string[] {
  const { requiredProperties, additionalProperties } = params as Readonly<Record<string, unknown>>;
  const names = requiredProperties ?? additionalProperties;
  return Array.isArray(names) ? names.slice(0, ERRORS_MAX).map(String) : [];
}

/** Names of properties come from the caller and may be long. */
function cut(pointer: string): string {
  return pointer.length > 200 ? `${pointer.slice(0, 200)}…` : pointer;
}
