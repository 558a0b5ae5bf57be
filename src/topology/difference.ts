import type { OfficeSpec } from "./office.ts";

/** One field of an office that differs, as a person reads it. */
export type FieldChange = {
  readonly field: string;
  readonly before: string;
  readonly after: string;
};

/** How one list of offices differs from another; offices are the same where their names are. */
export type TopologyDifference = {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly { readonly office: string; readonly fields: readonly FieldChange[] }[];
};

/** Compares the topology in force with another. The order of subnets does not count. */
export function compareTopologies(
  before: readonly OfficeSpec[],
  after: readonly OfficeSpec[],
): TopologyDifference {
  const old = new Map(before.map((office) => [office.name, office]));
  const names = new Set(after.map(({ name }) => name));
  return {
    added: after.filter(({ name }) => !old.has(name)).map(({ name }) => name),
    removed: before.filter(({ name }) => !names.has(name)).map(({ name }) => name),
    changed: after.flatMap((office) => {
      const was = old.get(office.name);
      const fields = was === undefined ? [] : compareOffices(was, office);
      return fields.length === 0 ? [] : [{ office: office.name, fields }];
    }),
  };
}

function compareOffices(before: OfficeSpec, after: OfficeSpec): readonly FieldChange[] {
  const texts = textsOf(after);
  return Object.entries(textsOf(before)).flatMap(([field, text]) => {
    const now = texts[field as keyof typeof texts];
    return now === text ? [] : [{ field, before: text, after: now }];
  });
}

/** Every field as text; what is absent is empty. */
function textsOf(office: OfficeSpec) {
  return {
    parent: office.parent ?? "",
    type: office.type,
    subnets: office.subnets.toSorted().join("; "),
    timeZone: office.timeZone ?? "",
    wanKbitS: String(office.wanKbitS ?? ""),
    preferredRvp: office.preferredRvp ?? "",
    metered: String(office.metered ?? ""),
    directCdn: String(office.directCdn ?? ""),
    description: office.description ?? "",
  };
}
