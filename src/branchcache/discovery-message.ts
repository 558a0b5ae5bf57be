import { toHex } from "../base/hex.ts";
import { decodeUtf8, encodeUtf8 } from "../base/utf8.ts";
import { toBase64 } from "./base64.ts";
import { encodeSegmentAges, type SegmentAge } from "./segment-ages.ts";
import { escapeXml } from "./xml.ts";

/** Where probes are sent: WS-Discovery's port and groups (MS-PCCRD 2.1; WS-Discovery, April 2005). */
export const DISCOVERY_PORT = 3_702;

/** The group of IPv4. */
export const DISCOVERY_GROUP_V4 = "239.255.255.250";

/** The group of IPv6, on the link alone. */
export const DISCOVERY_GROUP_V6 = "ff02::c";

/** The namespaces of the messages. */
export const NAMESPACES = {
  soap: "http://www.w3.org/2003/05/soap-envelope",
  wsa: "http://schemas.xmlsoap.org/ws/2004/08/addressing",
  wsd: "http://schemas.xmlsoap.org/ws/2005/04/discovery",
  peerDist: "http://schemas.microsoft.com/p2p/2007/09/PeerDistributionDiscovery",
} as const;

/** Everything that the prober asks: who has these segments. */
export type Probe = {
  readonly version: 1 | 2;
  /** `urn:uuid:…`; the same when the question is put again. */
  readonly messageId: string;
  readonly segmentIds: readonly Uint8Array[];
};

/** How much of a segment somebody has. */
export type Holding = {
  readonly segmentId: Uint8Array;
  readonly blocks: number;
  readonly isComplete: boolean;
  readonly ageUs?: number;
};

/** What is answered to a probe. */
export type ProbeAnswer = {
  readonly version: 1 | 2;
  readonly messageId: string;
  /** The id of the probe. */
  readonly relatesTo: string;
  /** `urn:uuid:…`, new with each start. */
  readonly endpoint: string;
  /** When the responder started, in seconds since 1970. */
  readonly instanceId: number;
  readonly messageNumber: number;
  /** `ip:port`, without anything else. */
  readonly address: string;
  /** What is held of each probed segment, in the order of the probe; `undefined`: nothing. */
  readonly holdings: readonly (Holding | undefined)[];
};

/** Writes a probe (PD2 to PD4). */
export function encodeProbe(probe: Probe): Uint8Array {
  const { scopes, matchBy, types } =
    probe.version === 1
      ? {
          scopes: probe.segmentIds.map(upperHex).join(" "),
          matchBy: "http://schemas.xmlsoap.org/ws/2005/04/discovery/strcmp0",
          types: "PeerDist:PeerDistData",
        }
      : {
          scopes: toBase64(idList(probe.segmentIds)),
          matchBy: "http://schemas.microsoft.com/p2p/2010/05/PeerDistV2MatchingRule",
          types: "PeerDist:PeerDistDataV2",
        };
  return envelope(
    `<wsa:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</wsa:To>` +
      `<wsa:Action>${NAMESPACES.wsd}/Probe</wsa:Action>` +
      `<wsa:MessageID>${escapeXml(probe.messageId)}</wsa:MessageID>`,
    `<wsd:Probe><wsd:Types>${types}</wsd:Types>` +
      `<wsd:Scopes MatchBy="${matchBy}">${scopes}</wsd:Scopes></wsd:Probe>`,
  );
}

/**
 * Writes an answer (PD5 to PD8).
 *
 * Independent clients look for the literal tags: prefixes are these and no others, and the tags of
 * what they look for have no attributes.
 */
export function encodeProbeMatches(answer: ProbeAnswer): Uint8Array {
  const types = answer.version === 1 ? "PeerDist:PeerDistData" : "PeerDist:PeerDistDataV2";
  const held = answer.holdings.filter((holding) => holding !== undefined);
  const scopes =
    answer.version === 1
      ? held.map(({ segmentId }) => upperHex(segmentId)).join(" ")
      : toBase64(holdingBits(answer.holdings));
  const custom =
    answer.version === 1
      ? `<PeerDist:BlockCount>${held.map(blockCountText).join("")}</PeerDist:BlockCount>`
      : `<PeerDist:SegmentAges>${toBase64(encodeSegmentAges(agesOf(answer)))}</PeerDist:SegmentAges>`;
  return envelope(
    `<wsa:To>${NAMESPACES.wsa}/role/anonymous</wsa:To>` +
      `<wsa:Action>${NAMESPACES.wsd}/ProbeMatches</wsa:Action>` +
      `<wsa:MessageID>${escapeXml(answer.messageId)}</wsa:MessageID>` +
      `<wsa:RelatesTo>${escapeXml(answer.relatesTo)}</wsa:RelatesTo>` +
      `<wsd:AppSequence InstanceId="${answer.instanceId}" MessageNumber="${answer.messageNumber}">` +
      "</wsd:AppSequence>",
    "<wsd:ProbeMatches><wsd:ProbeMatch>" +
      `<wsa:EndpointReference><wsa:Address>${escapeXml(answer.endpoint)}</wsa:Address>` +
      "</wsa:EndpointReference>" +
      `<wsd:Types>${types}</wsd:Types>` +
      `<wsd:Scopes>${scopes}</wsd:Scopes>` +
      `<wsd:XAddrs>${escapeXml(answer.address)}</wsd:XAddrs>` +
      `<wsd:MetadataVersion>${answer.version}</wsd:MetadataVersion>` +
      `<PeerDist:PeerDistData>${custom}</PeerDist:PeerDistData>` +
      "</wsd:ProbeMatch></wsd:ProbeMatches>",
  );
}

/** A message id or endpoint of 16 random bytes (RFC 4122, version 4). */
export function uuidUrn(random: Uint8Array): string {
  const bytes = random.slice(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = toHex(bytes);
  const parts = [0, 8, 12, 16, 20].map((from, at) => hex.slice(from, [8, 12, 16, 20, 32][at]));
  return `urn:uuid:${parts.join("-")}`;
}

/** What a datagram says; `undefined` where it is no UTF-8 or longer than any of ours. */
export function datagramText(bytes: Uint8Array): string | undefined {
  return bytes.length > DATAGRAM_BYTES_MAX ? undefined : decodeUtf8(bytes);
}

/** The most bytes of a message: 128 segments of version 1 take some 9 KiB. */
export const DATAGRAM_BYTES_MAX = 32_768;

/** Ids as hexadecimal digits in capital letters: some clients compare text. */
export function upperHex(bytes: Uint8Array): string {
  return toHex(bytes).toUpperCase();
}

function envelope(header: string, body: string): Uint8Array {
  const { soap, wsa, wsd, peerDist } = NAMESPACES;
  return encodeUtf8(
    '<?xml version="1.0" encoding="utf-8"?>' +
      `<soap:Envelope xmlns:soap="${soap}" xmlns:wsa="${wsa}" xmlns:wsd="${wsd}" ` +
      `xmlns:PeerDist="${peerDist}"><soap:Header>${header}</soap:Header>` +
      `<soap:Body>${body}</soap:Body></soap:Envelope>`,
  );
}

/** The scopes of a probe of version 2: the length of an id, how many, and the ids. */
function idList(ids: readonly Uint8Array[]): Uint8Array {
  const lengthBytes = ids[0]?.length ?? 0;
  const list = new Uint8Array(3 + ids.length * lengthBytes);
  list.set([lengthBytes >>> 8, lengthBytes & 0xff, ids.length]);
  for (const [index, id] of ids.entries()) list.set(id, 3 + index * lengthBytes);
  return list;
}

/** Two bits for each probed segment, the highest first: something of it is held; all of it is. */
function holdingBits(holdings: readonly (Holding | undefined)[]): Uint8Array {
  const bits = new Uint8Array(Math.ceil(holdings.length / 4));
  for (const [index, holding] of holdings.entries()) {
    if (holding === undefined) continue;
    const value = holding.isComplete ? 0b11 : 0b10;
    const at = index >> 2;
    bits[at] = (bits[at] ?? 0) | (value << (6 - 2 * (index % 4)));
  }
  return bits;
}

function blockCountText({ blocks }: Holding): string {
  return blocks.toString(16).toUpperCase().padStart(8, "0");
}

function agesOf(answer: ProbeAnswer): readonly SegmentAge[] {
  return answer.holdings.flatMap((holding, index) =>
    holding?.ageUs === undefined ? [] : [{ index, ageUs: holding.ageUs }],
  );
}
