import { err, ok, type Result } from "../base/result.ts";
import { parseAddress } from "./address.ts";
import { judgeOverlaps, judgeTree, judgeTypes, type OfficeDraft } from "./judgement.ts";
import { NO_OFFICE, OFFICE_DEPTH_MAX, OFFICE_NAME_LENGTH_MAX } from "./limits.ts";
import type { Finding, Office, OfficeSpec, OfficeType } from "./office.ts";
import { detailsOf, hasControls, judgeDetails } from "./office-details.ts";
import { PrefixMap, parseSubnet, type Subnet } from "./prefix.ts";
import { judgeSuspicions } from "./suspicions.ts";

/** Offices in a tree under the Central Office. */
export type Topology = {
  /** In the order of entry. */
  readonly offices: ReadonlyMap<string, Office>;
  /** Name of the office at the top. */
  readonly central: string;
  readonly byPrefix: PrefixMap<string>;
  /** What is worth a look; never an error. */
  readonly findings: readonly Finding[];
};

/**
 * Builds the tree from what was entered.
 *
 * Subnets of two offices may lie within each other (the longer prefix decides, and a warning says
 * so); the same or partly overlapping ones are errors.
 *
 * @returns The topology with its warnings, or all findings where one is an error.
 */
export function buildTopology(
  entries: readonly OfficeSpec[],
): Result<Topology, readonly Finding[]> {
  const findings: Finding[] = [];
  const drafts = entries.map((entry, index) => draftOf(entry, entry.row ?? index + 1, findings));
  judgeTree(drafts, findings);
  judgeTypes(drafts, findings);
  judgeOverlaps(drafts, findings);
  judgeSuspicions(drafts, findings);
  const central = drafts.find((draft) => draft.parent === undefined);
  if (findings.some(({ severity }) => severity === "error") || central === undefined) {
    return err(findings);
  }
  const byPrefix = indexOf(drafts);
  return ok({ offices: officesOf(drafts), central: central.name, byPrefix, findings });
}

/**
 * A topology with one more office, which has an office of it as its parent and addresses that no
 * other has. Thousands are added so, one for each subnet that devices come from: nothing that is
 * there is judged again.
 *
 * @returns `undefined` where the office itself is none.
 */
export function withOffice(topology: Topology, entry: OfficeSpec): Topology | undefined {
  const findings: Finding[] = [];
  const { row: _, ...draft } = draftOf(entry, topology.offices.size + 1, findings);
  const parent = topology.offices.get(draft.parent ?? "");
  if (parent === undefined || findings.some(({ severity }) => severity === "error")) {
    return undefined;
  }
  const offices = new Map(topology.offices);
  offices.set(parent.name, { ...parent, children: [...parent.children, draft.name] });
  offices.set(draft.name, { ...draft, children: [] });
  const byPrefix = topology.byPrefix.copy();
  for (const { prefixes } of draft.subnets) {
    for (const prefix of prefixes) byPrefix.set(prefix, draft.name);
  }
  return { ...topology, offices, byPrefix };
}

/**
 * Row B13: the server sits in a subnet of the Central Office.
 *
 * @returns What is wrong; `undefined` where nothing is, or the server's addresses are not known.
 */
export function judgeServer(
  topology: Topology,
  serverHosts: readonly string[],
): Finding | undefined {
  const inside = serverHosts.some((host) => officeOf(topology, host) === topology.central);
  if (inside || serverHosts.length === 0) return undefined;
  const which = serverHosts.length === 1 ? "address" : "addresses, one of";
  const rule = `the server's ${which} ${serverHosts.join(", ")} must lie in the Central Office`;
  return {
    severity: "error",
    code: "server-outside-central",
    office: topology.central,
    row: 0,
    sentence: `Office "${topology.central}": ${rule}: add a subnet that holds it.`,
  };
}

/** The office whose subnet holds an address by the longest prefix; `undefined` where none does. */
export function officeOf(topology: Topology, address: string): string | undefined {
  const parsed = parseAddress(address);
  return parsed === undefined ? undefined : topology.byPrefix.longest(parsed);
}

/** The offices from `name` up to the Central Office, both included; empty for an unknown name. */
export function pathToCentral(topology: Topology, name: string): readonly Office[] {
  const path: Office[] = [];
  let office = topology.offices.get(name);
  while (office !== undefined && path.length < OFFICE_DEPTH_MAX) {
    path.push(office);
    office = office.parent === undefined ? undefined : topology.offices.get(office.parent);
  }
  return path;
}

/** The offices as they would be entered again. */
export function specsOf(topology: Topology): readonly (OfficeSpec & { type: OfficeType })[] {
  return [...topology.offices.values()].map(({ children: _, subnets, ...office }) => ({
    ...office,
    subnets: subnets.map(({ text }) => text),
  }));
}

function indexOf(drafts: readonly OfficeDraft[]): PrefixMap<string> {
  const claims = drafts.flatMap(({ name, subnets }) => subnets.map((subnet) => ({ name, subnet })));
  // A prefix of a range may equal a narrower subnet inside it: the narrower is set last, and wins.
  claims.sort((a, b) => Number(widthOf(b.subnet) - widthOf(a.subnet)));
  const byPrefix = new PrefixMap<string>();
  for (const { name, subnet } of claims) {
    for (const prefix of subnet.prefixes) byPrefix.set(prefix, name);
  }
  return byPrefix;
}

function widthOf(subnet: Subnet): bigint {
  return subnet.last - subnet.first;
}

function officesOf(drafts: readonly OfficeDraft[]): ReadonlyMap<string, Office> {
  const children = new Map<string, string[]>(drafts.map(({ name }) => [name, []]));
  for (const { name, parent } of drafts) {
    if (parent !== undefined) children.get(parent)?.push(name);
  }
  return new Map(
    drafts.map(({ row: _, ...draft }) => [
      draft.name,
      { ...draft, children: children.get(draft.name) ?? [] },
    ]),
  );
}

function draftOf(entry: OfficeSpec, row: number, findings: Finding[]): OfficeDraft {
  const office = entry.name.trim();
  const say = (code: string, sentence: string): void => {
    findings.push({ severity: "error", code, office, row, sentence });
  };
  if (office === "" || office.length > OFFICE_NAME_LENGTH_MAX || office === NO_OFFICE) {
    const wanted = `1 to ${OFFICE_NAME_LENGTH_MAX} characters, and not "${NO_OFFICE}"`;
    say("bad-name", `Row ${row}: an office needs a name of ${wanted}.`);
  } else if (hasControls(office)) {
    const sentence = `has line breaks or other invisible characters in its name: remove them.`;
    say("bad-name", `Row ${row}: office ${JSON.stringify(office)} ${sentence}`);
  }
  const type = typeOf(entry.type);
  if (type === undefined) {
    const sentence = `"${entry.type}" is no office type: use default, vpn or wifi.`;
    say("bad-type", `Row ${row}, office "${office}": ${sentence}`);
  }
  const subnets: Subnet[] = [];
  for (const text of entry.subnets) {
    const parsed = parseSubnet(text);
    if ("subnet" in parsed) subnets.push(parsed.subnet);
    else say("bad-subnet", `Row ${row}, office "${office}": "${text}" ${parsed.problem}.`);
  }
  if (entry.subnets.length === 0) {
    const why = "has no subnet, so no device belongs to it";
    const sentence = `Row ${row}: office "${office}" ${why}: enter its subnets.`;
    findings.push({ severity: "warning", code: "no-subnets", office, row, sentence });
  }
  for (const { code, problem } of judgeDetails(entry)) {
    say(code, `Row ${row}: office "${office}" ${problem}.`);
  }
  const parent = entry.parent?.trim();
  const timeZone = entry.timeZone?.trim();
  return {
    row,
    name: office,
    ...(parent === undefined || parent === "" ? {} : { parent }),
    type: type ?? "default",
    subnets,
    ...(timeZone === undefined || timeZone === "" ? {} : { timeZone }),
    ...detailsOf(entry),
  };
}

function typeOf(text: string): OfficeType | undefined {
  const word = text.trim().toLowerCase();
  return word === "default" || word === "vpn" || word === "wifi" ? word : undefined;
}
