import { fromHex } from "../base/hex.ts";
import { fromBase64 } from "./base64.ts";
import { datagramText, NAMESPACES, type Probe } from "./discovery-message.ts";
import { ANY_SEGMENT_ID_BYTES_MAX } from "./retrieval-limits.ts";
import { decodeSegmentAges, type SegmentAge } from "./segment-ages.ts";
import { childOf, parseXml, type XmlElement } from "./xml.ts";

/** A place where segments can be had, as the other side wrote it. */
export type PeerPlace = { readonly host: string; readonly port: number };

/** One responder's answer to a probe. */
export type ProbeMatch = {
  readonly version: 1 | 2;
  readonly places: readonly PeerPlace[];
  /** Version 1: which of the probed segments are held, and how many blocks of each. */
  readonly held: readonly { readonly segmentId: Uint8Array; readonly blocks: number | undefined }[];
  /** Version 2: for each probed segment, in order, whether some of it and all of it is held. */
  readonly bits: readonly { readonly some: boolean; readonly all: boolean }[];
  readonly ages: readonly SegmentAge[];
};

/** Everything that a datagram of discovery may be. */
export type DiscoveryMessage =
  | { readonly kind: "probe"; readonly probe: Probe }
  | {
      readonly kind: "matches";
      readonly relatesTo: string;
      readonly matches: readonly ProbeMatch[];
    };

/** How many segments one probe asks for at most. */
export const SEGMENTS_PER_PROBE = 128;

/** Reads a datagram; `undefined` for whatever is not BranchCache's (PD9). Total and bounded. */
export function decodeDiscovery(bytes: Uint8Array): DiscoveryMessage | undefined {
  const text = datagramText(bytes);
  const envelope = text === undefined ? undefined : parseXml(text);
  if (envelope?.name !== "Envelope" || envelope.namespace !== NAMESPACES.soap) return undefined;
  const header = childOf(envelope, NAMESPACES.soap, "Header");
  const body = childOf(envelope, NAMESPACES.soap, "Body");
  const action = childOf(header, NAMESPACES.wsa, "Action")?.text.trim();
  if (action === `${NAMESPACES.wsd}/Probe`) return readProbe(header, body);
  if (action === `${NAMESPACES.wsd}/ProbeMatches`) return readMatches(header, body);
  return undefined;
}

function readProbe(
  header: XmlElement | undefined,
  body: XmlElement | undefined,
): DiscoveryMessage | undefined {
  const messageId = idText(childOf(header, NAMESPACES.wsa, "MessageID"));
  const element = childOf(body, NAMESPACES.wsd, "Probe");
  const version = versionOf(childOf(element, NAMESPACES.wsd, "Types"));
  const scopes = childOf(element, NAMESPACES.wsd, "Scopes")?.text.trim();
  if (messageId === undefined || version === undefined || scopes === undefined) return undefined;
  const segmentIds = version === 1 ? readHexIds(scopes) : readIdList(scopes);
  if (segmentIds === undefined || segmentIds.length === 0) return undefined;
  return { kind: "probe", probe: { version, messageId, segmentIds } };
}

function readMatches(
  header: XmlElement | undefined,
  body: XmlElement | undefined,
): DiscoveryMessage | undefined {
  const relatesTo = idText(childOf(header, NAMESPACES.wsa, "RelatesTo"));
  const list = childOf(body, NAMESPACES.wsd, "ProbeMatches");
  if (relatesTo === undefined || list === undefined) return undefined;
  const matches = list.children.slice(0, MATCHES_MAX).flatMap((element) => {
    const isMatch = element.name === "ProbeMatch" && element.namespace === NAMESPACES.wsd;
    const match = isMatch ? readMatch(element) : undefined;
    return match === undefined ? [] : [match];
  });
  return matches.length === 0 ? undefined : { kind: "matches", relatesTo, matches };
}

function readMatch(element: XmlElement): ProbeMatch | undefined {
  const version = versionOf(childOf(element, NAMESPACES.wsd, "Types"));
  const scopes = childOf(element, NAMESPACES.wsd, "Scopes")?.text.trim();
  const places = readPlaces(childOf(element, NAMESPACES.wsd, "XAddrs")?.text ?? "");
  if (version === undefined || scopes === undefined || places.length === 0) return undefined;
  if (version === 2) {
    const bits = fromBase64(scopes);
    if (bits === undefined || bits.length * 4 > 2 * SEGMENTS_PER_PROBE) return undefined;
    const ages = decodeSegmentAges(fromBase64(customText(element, "SegmentAges")) ?? NO_BYTES);
    return { version, places, held: [], bits: readBits(bits), ages };
  }
  const ids = readHexIds(scopes);
  if (ids === undefined) return undefined;
  const counts = customText(element, "BlockCount");
  const held = ids.map((segmentId, index) => ({ segmentId, blocks: blocksAt(counts, index) }));
  return { version, places, held, bits: [], ages: [] };
}

/** More answers in one datagram than there is any use for. */
const MATCHES_MAX = 16;

/** More addresses of one responder than there is any use for. */
const PLACES_MAX = 8;

/** A message id is `urn:uuid:` and 36 characters; others may write it longer. */
const ID_CHARACTERS_MAX = 128;

const NO_BYTES: Uint8Array = new Uint8Array(0);

function idText(element: XmlElement | undefined): string | undefined {
  const text = element?.text.trim() ?? "";
  return text === "" || text.length > ID_CHARACTERS_MAX ? undefined : text;
}

/** The version that a list of qualified names stands for; `undefined` where none is ours. */
function versionOf(types: XmlElement | undefined): 1 | 2 | undefined {
  for (const type of (types?.text ?? "").trim().split(/\s+/)) {
    const colon = type.indexOf(":");
    const namespace = types?.scope.get(type.slice(0, Math.max(0, colon)));
    if (namespace !== NAMESPACES.peerDist) continue;
    const name = type.slice(colon + 1);
    if (name === "PeerDistData") return 1;
    if (name === "PeerDistDataV2") return 2;
  }
  return undefined;
}

/** Ids in hexadecimal digits of either case; `undefined` where one is none, or they are too many. */
function readHexIds(text: string): readonly Uint8Array[] | undefined {
  const ids = text.split(/\s+/).map(fromHex);
  const isSound = ids.every((id) => id !== undefined && isIdLength(id.length));
  return isSound && ids.length <= SEGMENTS_PER_PROBE
    ? ids.filter((id) => id !== undefined)
    : undefined;
}

function readIdList(text: string): readonly Uint8Array[] | undefined {
  const list = fromBase64(text);
  if (list === undefined || list.length < 3) return undefined;
  const lengthBytes = 256 * (list[0] ?? 0) + (list[1] ?? 0);
  const count = list[2] ?? 0;
  if (!isIdLength(lengthBytes) || count > SEGMENTS_PER_PROBE) return undefined;
  if (list.length !== 3 + count * lengthBytes) return undefined;
  return Array.from({ length: count }, (_, index) =>
    list.slice(3 + index * lengthBytes, 3 + (index + 1) * lengthBytes),
  );
}

function isIdLength(lengthBytes: number): boolean {
  return lengthBytes > 0 && lengthBytes <= ANY_SEGMENT_ID_BYTES_MAX;
}

function readBits(bytes: Uint8Array): ProbeMatch["bits"] {
  return Array.from({ length: bytes.length * 4 }, (_, index) => {
    const pair = ((bytes[index >> 2] ?? 0) >>> (6 - 2 * (index % 4))) & 0b11;
    return { some: pair !== 0, all: (pair & 1) !== 0 };
  });
}

/** The text of an element of ours below the one that is there for us, whatever that is called. */
function customText(match: XmlElement, name: string): string {
  const holders = match.children.filter(({ namespace }) => namespace === NAMESPACES.peerDist);
  const element = holders.flatMap(({ children }) => children).find((child) => child.name === name);
  return element?.text.trim() ?? "";
}

/** Eight digits for each segment. */
function blocksAt(counts: string, index: number): number | undefined {
  const digits = counts.slice(8 * index, 8 * index + 8);
  return /^[0-9a-fA-F]{8}$/.test(digits) ? Number.parseInt(digits, 16) : undefined;
}

/** `ip:port`, and what others write: with a scheme before it and a path behind it. */
function readPlaces(text: string): readonly PeerPlace[] {
  return text
    .trim()
    .split(/\s+/)
    .slice(0, PLACES_MAX)
    .flatMap((word) => {
      const [, v6, v4, digits] =
        /^(?:http:\/\/)?(?:\[([0-9a-fA-F:.]{2,45})(?:%\w{1,15})?\]|([0-9.]{7,15})):(\d{1,5})(?:\/.*)?$/.exec(
          word,
        ) ?? [];
      const host = v6 ?? v4;
      const port = Number(digits);
      return host === undefined || !(port >= 1 && port <= 65_535) ? [] : [{ host, port }];
    });
}
