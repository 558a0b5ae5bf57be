import type { OfficeDraft } from "./judgement.ts";
import type { Finding } from "./office.ts";
import { formatPrefix, type Prefix, prefixOf, type Subnet } from "./prefix.ts";

/**
 * Adds what is allowed, and rarely meant: above all offices between whose subnets a line may lie.
 * In an office everybody fetches from everybody as fast as a LAN carries it, so a line inside it is
 * filled, and crossed by as many copies as chance has it.
 *
 * Nobody can see a line in a list of subnets. What is taken for the sign of one: subnets of
 * unrelated blocks of addresses; a subnet amid those of another site; a subnet of more than a /16.
 */
export function judgeSuspicions(drafts: readonly OfficeDraft[], findings: Finding[]): void {
  const sites = sitesOf(drafts);
  for (const draft of drafts) {
    for (const subnet of draft.subnets) judgeSubnet(draft, subnet, findings);
    judgeName(draft, findings);
    // Devices of a VPN office share nothing: its addresses may be anywhere.
    if (draft.type !== "vpn") judgeLines(draft, sites, findings);
  }
}

/** How long a prefix is of what one site usually has, by family. */
const SITE_LENGTH = { 4: 16, 6: 48 } as const;

/**
 * So few public addresses are the outer side of a NAT, which devices behind it need in their
 * office, and say nothing of where its LAN is.
 */
const NAT_ADDRESSES_MAX = 8n;

function judgeSubnet(draft: OfficeDraft, subnet: Subnet, findings: Finding[]): void {
  const { family, first, last, text } = subnet;
  const unusable = UNUSABLE.find((block) => within(block, subnet));
  if (unusable !== undefined) {
    const why = `${text} are ${unusable.what} addresses, which no device shows to others`;
    findings.push(suspicion("unusable-subnet", draft, `: ${why}: enter the office's own subnets.`));
  }
  const bits = family === 4 ? 32 : 128;
  if (last - first < 1n << BigInt(bits - SITE_LENGTH[family])) return;
  const why = `${text} is more than a /${SITE_LENGTH[family]}, which is a region rather than a LAN`;
  const mend = "enter the subnets of this office alone, and others as offices of their own";
  findings.push(suspicion("large-subnet", draft, `: ${why}: ${mend}.`));
}

function judgeName(draft: OfficeDraft, findings: Finding[]): void {
  if (draft.type !== "default") return;
  if (/\bvpn\b/i.test(draft.name)) {
    const why =
      "is called VPN and has the type default, so its devices serve each other over the VPN";
    findings.push(suspicion("looks-like-vpn", draft, `${why}: give it the type vpn.`));
  }
  if (/\b(wi-?fi|wlan)\b/i.test(draft.name)) {
    const why = "is called WiFi and has the type default, so its devices broadcast there";
    findings.push(suspicion("looks-like-wifi", draft, `${why}: give it the type wifi.`));
  }
}

function judgeLines(draft: OfficeDraft, sites: Sites, findings: Finding[]): void {
  const local = draft.subnets.filter((subnet) => !isNat(subnet));
  const byBlock = new Map(
    local.filter(({ family }) => family === 4).map((subnet) => [blockOf(subnet), subnet.text]),
  );
  const mend = "if a line lies between them, make them two offices";
  if (byBlock.size > 1) {
    const texts = listText([...byBlock.values()]);
    const why = `: ${texts} are of unrelated blocks of addresses`;
    findings.push(suspicion("wan-inside-office", draft, `${why}: ${mend}.`));
    return;
  }
  const own = new Map(local.map((subnet) => [siteOf(subnet), subnet]));
  if (own.size < 2) return;
  for (const [site, subnet] of own) {
    const other = sites.get(site)?.find((one) => isStranger(one, draft));
    if (other === undefined) continue;
    const rest = [...own.values()].find((one) => one !== subnet);
    const why = `: ${subnet.text} lies amid "${other.name}", ${rest?.text} does not`;
    findings.push(suspicion("wan-inside-office", draft, `${why}: ${mend}.`));
    return;
  }
}

/** Which offices have subnets at a site. */
type Sites = ReadonlyMap<string, readonly OfficeDraft[]>;

/** Sites of which an office has all its subnets: what several sites share says nothing. */
function sitesOf(drafts: readonly OfficeDraft[]): Sites {
  const sites = new Map<string, OfficeDraft[]>();
  for (const draft of drafts) {
    const own = new Set(draft.subnets.filter((subnet) => !isNat(subnet)).map(siteOf));
    const [only] = own;
    if (only === undefined || own.size > 1) continue;
    const there = sites.get(only);
    if (there === undefined) sites.set(only, [draft]);
    else there.push(draft);
  }
  // A block that many offices have subnets of is the organisation's, and no site.
  return new Map([...sites].filter(([, there]) => there.length <= SITE_OFFICES_MAX));
}

const SITE_OFFICES_MAX = 3;

/** Whether an office is neither above nor below another: a WiFi office shares its parent's site. */
function isStranger(one: OfficeDraft, other: OfficeDraft): boolean {
  return one.name !== other.name && one.parent !== other.name && other.parent !== one.name;
}

function siteOf({ family, first }: Subnet): string {
  return formatPrefix(prefixOf({ family, value: first }, SITE_LENGTH[family]));
}

function blockOf(subnet: Subnet): string {
  const found = PRIVATE.find((block) => within(block, subnet));
  return found === undefined ? "public" : formatPrefix(found);
}

function isNat(subnet: Subnet): boolean {
  const { family, first, last } = subnet;
  return family === 4 && last - first < NAT_ADDRESSES_MAX && blockOf(subnet) === "public";
}

function within({ value, length }: Prefix, { family, first, last }: Subnet): boolean {
  if (family !== 4) return false;
  return first >= value && last < value + (1n << BigInt(32 - length));
}

/** RFC 1918, RFC 6598. */
const PRIVATE: readonly Prefix[] = [
  ipv4(10, 0, 8),
  ipv4(172, 16, 12),
  ipv4(192, 168, 16),
  ipv4(100, 64, 10),
];

/** RFC 3927, RFC 5771, RFC 1112. */
const UNUSABLE: readonly (Prefix & { readonly what: string })[] = [
  { ...ipv4(169, 254, 16), what: "link-local" },
  { ...ipv4(224, 0, 4), what: "multicast" },
  { ...ipv4(240, 0, 4), what: "reserved" },
];

function ipv4(first: number, second: number, length: number): Prefix {
  return { family: 4, value: (BigInt(first) << 24n) | (BigInt(second) << 16n), length };
}

function listText(texts: readonly string[]): string {
  return `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`;
}

function suspicion(code: string, { name, row }: OfficeDraft, rest: string): Finding {
  const gap = rest.startsWith(":") ? "" : " ";
  const sentence = `Row ${row}: office "${name}"${gap}${rest}`;
  return { severity: "warning", code, office: name, row, sentence };
}
