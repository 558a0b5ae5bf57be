/** A version of the HTTP extension or of content information: `major.minor`, as integers. */
export type PeerDistVersion = { readonly major: number; readonly minor: number };

/** The request headers that matter (MS-PCCRTP 2.2.1), lists joined by commas; absent: not there. */
export type NegotiationHeaders = {
  readonly acceptEncoding?: string | undefined;
  readonly peerDist?: string | undefined;
  readonly peerDistEx?: string | undefined;
};

/** What a content server does with a request (PT1 to PT6). */
export type Negotiated =
  | {
      readonly kind: "content-information";
      /** The structure to send. */
      readonly version: 1 | 2;
      /** What `X-P2P-PeerDist` says in the answer. */
      readonly protocol: PeerDistVersion;
      /** The client asks again, after it was told that hashes could be made. */
      readonly hashRequest: boolean;
    }
  | {
      readonly kind: "plain";
      /** `missing-data`: the client found the bytes nowhere else. */
      readonly why: "no-peerdist" | "missing-data" | "incompatible" | "malformed";
    };

/** The version of the HTTP extension that we speak. */
export const PROTOCOL_VERSION: PeerDistVersion = { major: 1, minor: 1 };

/** Decides what a request is answered with. Total: whatever is odd is answered plainly. */
export function negotiate(headers: NegotiationHeaders): Negotiated {
  const parameters = parseParameters(headers.peerDist ?? "");
  if (parameters === undefined) return { kind: "plain", why: "malformed" };
  const missing = parameters.get("missingdatarequest")?.toLowerCase() ?? "false";
  if (missing === "true") return { kind: "plain", why: "missing-data" };
  if (!accepts(headers.acceptEncoding ?? "")) return { kind: "plain", why: "no-peerdist" };
  const asked = parseVersion(parameters.get("version") ?? "");
  if (asked === undefined || missing !== "false") return { kind: "plain", why: "malformed" };
  if (asked.major !== PROTOCOL_VERSION.major) return { kind: "plain", why: "incompatible" };
  const protocol = compareVersions(asked, PROTOCOL_VERSION) < 0 ? asked : PROTOCOL_VERSION;
  // Version 1.0 does not know the second header.
  const extended = asked.minor === 0 ? undefined : headers.peerDistEx;
  const more = parseParameters(extended ?? "");
  if (more === undefined) return { kind: "plain", why: "malformed" };
  const version = structureFor(more);
  if (version === undefined) return { kind: "plain", why: "incompatible" };
  const hashRequest = more.get("hashrequest")?.toLowerCase() === "true";
  return { kind: "content-information", version, protocol, hashRequest };
}

/** What `X-P2P-PeerDist` says beside content information of an entity of so many bytes (PT5). */
export function answerHeader(protocol: PeerDistVersion, entityBytes: number): string {
  return `Version=${versionText(protocol)}, ContentLength=${entityBytes}`;
}

/** A version as it is written: `1.1`. */
export function versionText({ major, minor }: PeerDistVersion): string {
  return `${major}.${minor}`;
}

/** The header that makes a plain answer an invitation to ask for hashes (PT6). */
export const MAKE_HASH_REQUEST = "MakeHashRequest=true";

/** The request headers of a client that takes content information, by their names on the wire. */
export const CLIENT_HEADERS: Readonly<Record<string, string>> = {
  "Accept-Encoding": "peerdist",
  "X-P2P-PeerDist": "Version=1.1",
  "X-P2P-PeerDistEx": "MinContentInformation=1.0, MaxContentInformation=2.0",
};

/** The request headers of a client that found bytes nowhere else (PT8). */
export const MISSING_DATA_HEADERS: Readonly<Record<string, string>> = {
  "Accept-Encoding": "identity",
  "X-P2P-PeerDist": "Version=1.1, MissingDataRequest=true",
};

/** What the answer to {@link CLIENT_HEADERS} is (PT7). */
export type PeerDistAnswer =
  | { readonly kind: "plain" }
  | { readonly kind: "content-information"; readonly entityBytes: number }
  | { readonly kind: "malformed" };

/** Reads the answer's headers: whether content information follows, and of how many bytes. */
export function readAnswer(headers: {
  readonly contentEncoding?: string | undefined;
  readonly peerDist?: string | undefined;
}): PeerDistAnswer {
  const isEncoded = (headers.contentEncoding ?? "").trim().toLowerCase() === "peerdist";
  if (!isEncoded) return { kind: "plain" };
  const length = parseParameters(headers.peerDist ?? "")?.get("contentlength") ?? "";
  const entityBytes = /^\d{1,16}$/.test(length) ? Number(length) : Number.NaN;
  if (!Number.isSafeInteger(entityBytes)) return { kind: "malformed" };
  return { kind: "content-information", entityBytes };
}

/** The structures that we can send, the better one last. */
const STRUCTURES = [1, 2] as const;

function structureFor(parameters: ReadonlyMap<string, string>): 1 | 2 | undefined {
  const least = parseVersion(parameters.get("mincontentinformation") ?? "1.0");
  const most = parseVersion(parameters.get("maxcontentinformation") ?? "1.0");
  if (least === undefined || most === undefined) return undefined;
  return STRUCTURES.findLast((major) => {
    const own = { major, minor: 0 };
    return compareVersions(least, own) <= 0 && compareVersions(own, most) <= 0;
  });
}

/** Whether `peerdist` is among the codings, with a weight above zero (RFC 9110, 12.5.3). */
function accepts(acceptEncoding: string): boolean {
  return acceptEncoding.split(",").some((item) => {
    const [coding = "", ...rest] = item.split(";").map((part) => part.trim().toLowerCase());
    return coding === "peerdist" && !rest.some((part) => /^q=0(\.0*)?$/.test(part));
  });
}

/** `name=value` pairs by their lower-case names; `undefined` for anything else (PT2). */
function parseParameters(text: string): ReadonlyMap<string, string> | undefined {
  const parameters = new Map<string, string>();
  for (const item of text.split(",").map((part) => part.trim())) {
    if (item === "") continue;
    const [, name = "", value = ""] = /^([A-Za-z]+)\s*=\s*([^\s=]*)$/.exec(item) ?? [];
    if (name === "" || parameters.size >= PARAMETERS_MAX) return undefined;
    // The header may come twice: what is said first counts.
    if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), value);
  }
  return parameters;
}

const PARAMETERS_MAX = 16;

function parseVersion(text: string): PeerDistVersion | undefined {
  const [, major = "", minor = ""] = /^(\d{1,6})\.(\d{1,6})$/.exec(text) ?? [];
  return major === "" ? undefined : { major: Number(major), minor: Number(minor) };
}

function compareVersions(a: PeerDistVersion, b: PeerDistVersion): number {
  return a.major - b.major || a.minor - b.minor;
}
