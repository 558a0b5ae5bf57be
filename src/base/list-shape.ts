/** The list that an operation answers: how it calls its entries, and their columns. */
export type ListShape = { readonly name: string; readonly columns: readonly string[] };

/** The list that an operation answers; `undefined` where it answers something else. */
export function listShapeOf({
  method,
  response,
}: {
  readonly method: string;
  readonly response: object;
}): ListShape | undefined {
  if (method !== "GET") return undefined;
  const beside = Object.entries(propertiesOf(response)).filter(([name]) => !FRAME.has(name));
  const [[name, schema] = ["", {}], ...others] = beside;
  // One with several parts, as a deployment with its devices and offices, is no table.
  if (others.length > 0) return undefined;
  const columns = Object.keys(propertiesOf((schema as { readonly items?: unknown }).items));
  return columns.length === 0 ? undefined : { name, columns };
}

/** The properties of a JSON schema by name; none where it is not one of an object. */
export function propertiesOf(schema: unknown): Readonly<Record<string, unknown>> {
  const { properties } = (schema ?? {}) as { readonly properties?: Record<string, unknown> };
  return properties ?? {};
}

/** What stands beside the entries of a list. */
const FRAME: ReadonlySet<string> = new Set(["next", "total", "sums"]);
