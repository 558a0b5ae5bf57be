import { OFFICE_DEPTH_MAX } from "./limits.ts";
import type { Finding, Office } from "./office.ts";
import type { Subnet } from "./prefix.ts";

/** An office whose own fields have been read; how it fits with the others is not yet known. */
export type OfficeDraft = Omit<Office, "children"> & { readonly row: number };

/** Adds what keeps the drafts from being one tree. */
export function judgeTree(drafts: readonly OfficeDraft[], findings: Finding[]): void {
  const byName = new Map<string, OfficeDraft>();
  for (const draft of drafts) {
    const same = byName.get(draft.name);
    if (same === undefined) byName.set(draft.name, draft);
    else {
      const sentence = `has the name of row ${same.row}: give one of them another.`;
      findings.push(error("duplicate-name", draft, sentence));
    }
  }
  judgeRoots(drafts, findings);
  const cyclic = cyclicNames(drafts, byName);
  for (const draft of drafts) judgeParent(draft, { byName, cyclic }, findings);
}

function judgeRoots(drafts: readonly OfficeDraft[], findings: Finding[]): void {
  const [first, ...others] = drafts.filter(({ parent }) => parent === undefined);
  if (first === undefined) {
    const sentence = "No office is without a parent: the Central Office must be.";
    findings.push({ severity: "error", code: "no-root", office: "", row: 0, sentence });
  }
  for (const draft of others) {
    const why = `has no parent, but "${first?.name}" is the Central Office already`;
    findings.push(error("two-roots", draft, `${why}: name its parent.`));
  }
}

type Tree = {
  readonly byName: ReadonlyMap<string, OfficeDraft>;
  readonly cyclic: ReadonlySet<string>;
};

function judgeParent(draft: OfficeDraft, { byName, cyclic }: Tree, findings: Finding[]): void {
  if (cyclic.has(draft.name)) {
    findings.push(error("cycle", draft, "is above itself: change its parent."));
    return;
  }
  if (draft.parent !== undefined && !byName.has(draft.parent)) {
    const mend = `${likeText(draft.parent, byName)}add it, or name another parent`;
    const why = `has the parent "${draft.parent}", which is no office in this list`;
    findings.push(error("unknown-parent", draft, `${why}: ${mend}.`));
    return;
  }
  let steps = 0;
  for (let at = draft; at.parent !== undefined && steps < OFFICE_DEPTH_MAX; steps += 1) {
    const above = byName.get(at.parent);
    const lost = above === undefined || cyclic.has(above.name);
    if (lost) {
      const end = above ?? at;
      const why = `is not connected with the Central Office, because of "${end.name}" above it`;
      findings.push(error("not-connected", draft, `${why}: mend row ${end.row}.`));
      return;
    }
    at = above;
  }
  if (steps >= OFFICE_DEPTH_MAX) {
    const sentence = `has ${OFFICE_DEPTH_MAX} or more offices above it: use fewer levels.`;
    findings.push(error("too-deep", draft, sentence));
  }
}

/** The offices that are above themselves. */
function cyclicNames(
  drafts: readonly OfficeDraft[],
  byName: ReadonlyMap<string, OfficeDraft>,
): ReadonlySet<string> {
  const cyclic = new Set<string>();
  const settled = new Set<string>();
  for (const { name } of drafts) {
    const path: string[] = [];
    let at: string | undefined = name;
    while (at !== undefined && !settled.has(at)) {
      settled.add(at);
      path.push(at);
      at = byName.get(at)?.parent;
    }
    const from = at === undefined ? -1 : path.indexOf(at);
    if (from >= 0) for (const one of path.slice(from)) cyclic.add(one);
  }
  return cyclic;
}

/** The office that was probably meant, where case or spaces alone differ. */
function likeText(written: string, byName: ReadonlyMap<string, OfficeDraft>): string {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[\s_-]+/g, "");
  const like = [...byName.keys()].find((name) => plain(name) === plain(written));
  return like === undefined ? "" : `did you mean "${like}"? Otherwise `;
}

/** Adds where an office's type and its place in the tree do not go well together (row B6). */
export function judgeTypes(drafts: readonly OfficeDraft[], findings: Finding[]): void {
  const parents = new Set(drafts.map(({ parent }) => parent));
  const types = new Map(drafts.map(({ name, type }) => [name, type]));
  for (const draft of drafts) {
    if (draft.type === "vpn") judgeVpn(draft, parents.has(draft.name), findings);
    if (draft.type !== "wifi") continue;
    if (draft.parent === undefined) {
      const why = "is a WiFi office without a parent";
      const mend = "name the wired office that it belongs to, or give it the type default";
      findings.push(warning("wifi-without-parent", draft, `${why}: ${mend}.`));
    } else if (types.get(draft.parent) === "wifi" && draft.parent !== draft.name) {
      const why = `is a WiFi office below the WiFi office "${draft.parent}"`;
      const mend = "name the wired office that it belongs to, or put both into one office";
      findings.push(warning("wifi-below-wifi", draft, `${why}: ${mend}.`));
    }
  }
}

function judgeVpn(draft: OfficeDraft, hasChildren: boolean, findings: Finding[]): void {
  if (draft.parent === undefined) {
    const why = "is the Central Office and of the type VPN, whose devices serve nobody";
    const mend = "give it the type default, or put a wired office above it";
    findings.push(warning("vpn-central", draft, `${why}: ${mend}.`));
  } else if (hasChildren) {
    const why = "is a VPN office, whose devices serve nobody, and has child offices";
    findings.push(warning("vpn-with-children", draft, `${why}: put them under its parent.`));
  }
}

type Claim = { readonly draft: OfficeDraft; readonly subnet: Subnet };

/** Adds where two offices claim the same addresses. */
export function judgeOverlaps(drafts: readonly OfficeDraft[], findings: Finding[]): void {
  const claims: Claim[] = drafts.flatMap((draft) =>
    draft.subnets.map((subnet) => ({ draft, subnet })),
  );
  claims.sort((a, b) => a.subnet.family - b.subnet.family || inOrder(a.subnet, b.subnet));
  // Sorted by their beginnings, wider first: what is still open contains or overlaps what follows.
  let open: Claim[] = [];
  for (const claim of claims) {
    const { family, first } = claim.subnet;
    open = open.filter(({ subnet }) => subnet.family === family && subnet.last >= first);
    const innermost = open.findLast(({ draft }) => draft !== claim.draft);
    if (innermost !== undefined) findings.push(overlap(innermost, claim));
    open.push(claim);
  }
}

function inOrder(a: Subnet, b: Subnet): number {
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  if (a.last === b.last) return 0;
  return a.last > b.last ? -1 : 1;
}

function overlap(outer: Claim, inner: Claim): Finding {
  const texts = `${inner.subnet.text} overlaps ${outer.subnet.text} of "${outer.draft.name}"`;
  const same = outer.subnet.first === inner.subnet.first && outer.subnet.last === inner.subnet.last;
  if (same || inner.subnet.last > outer.subnet.last) {
    const sentence = `: ${texts}: a device there would belong to both. Change one of them.`;
    return error("overlapping-subnets", inner.draft, sentence);
  }
  return warning("nested-subnets", inner.draft, `: ${texts}, and being narrower it wins.`);
}

function error(code: string, { name, row }: OfficeDraft, rest: string): Finding {
  const gap = rest.startsWith(":") ? "" : " ";
  const sentence = `Row ${row}: office "${name}"${gap}${rest}`;
  return { severity: "error", code, office: name, row, sentence };
}

function warning(code: string, draft: OfficeDraft, rest: string): Finding {
  return { ...error(code, draft, rest), severity: "warning" };
}
