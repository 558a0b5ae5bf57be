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
  for (const draft of drafts) judgeParent(draft, byName, findings);
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

function judgeParent(
  draft: OfficeDraft,
  byName: ReadonlyMap<string, OfficeDraft>,
  findings: Finding[],
): void {
  let steps = 0;
  let at: OfficeDraft | undefined = draft;
  while (at?.parent !== undefined && steps < OFFICE_DEPTH_MAX) {
    const parent = byName.get(at.parent);
    if (parent === undefined && at === draft) {
      const sentence = `has the parent "${draft.parent}", which is no office in this list.`;
      findings.push(error("unknown-parent", draft, sentence));
    }
    if (parent?.name === draft.name) {
      findings.push(error("cycle", draft, "is above itself: change its parent."));
      return;
    }
    at = parent;
    steps += 1;
  }
  // Reached by offices below a cycle too; the cycle itself has been named then.
  if (steps >= OFFICE_DEPTH_MAX) {
    const sentence = `has ${OFFICE_DEPTH_MAX} or more offices above it: use fewer levels.`;
    findings.push(error("too-deep", draft, sentence));
  }
}

/** Adds where an office's type and its place in the tree do not go well together (row B6). */
export function judgeTypes(drafts: readonly OfficeDraft[], findings: Finding[]): void {
  const parents = new Set(drafts.map(({ parent }) => parent));
  for (const draft of drafts) {
    if (draft.type === "vpn" && parents.has(draft.name)) {
      const why = "is a VPN office, whose devices serve nobody, and has child offices";
      findings.push(warning("vpn-with-children", draft, `${why}: put them under its parent.`));
    }
    if (draft.type === "wifi" && draft.parent === undefined) {
      const why = "is a WiFi office without a parent";
      const mend = "name the wired office that it belongs to, or give it the type default";
      findings.push(warning("wifi-without-parent", draft, `${why}: ${mend}.`));
    }
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
