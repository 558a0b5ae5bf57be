import { type Static, Type } from "typebox";
import { exact } from "./route.ts";

/** A count or a number of bytes. */
export const Count = Type.Integer({ minimum: 0 });

/** A point in time, in milliseconds since 1970. */
export const AtMs = Type.Integer({ minimum: 0, description: "Milliseconds since 1970." });

/** The id of a content, whole. */
export const ContentIdText = Type.String({ pattern: "^[0-9a-f]{64}$" });

/** The id of a content, or enough of its beginning to tell it from the others. */
export const ContentIdPrefix = Type.String({ pattern: "^[0-9a-fA-F]{8,64}$" });

/** The id of a device. */
export const DeviceIdText = Type.String({ pattern: "^[0-9a-f]{32}$" });

/** A SHA-256 in hexadecimal digits. */
export const Sha256Text = Type.String({ pattern: "^[0-9a-f]{64}$" });

/** Where a device stands with a content. */
export const ContentStateWord = Type.Union([
  Type.Literal("waiting"),
  Type.Literal("downloading"),
  Type.Literal("checking"),
  Type.Literal("complete"),
  Type.Literal("failed"),
]);

/** What kind of office it is (row B6). */
export const OfficeTypeWord = Type.Union([
  Type.Literal("default"),
  Type.Literal("vpn"),
  Type.Literal("wifi"),
]);

/** What kind of origin it is (row B12); a CDN is asked before file storage. */
export const OriginKindWord = Type.Union([Type.Literal("cdn"), Type.Literal("storage")]);

/** How urgent a deployment is. */
export const PriorityWord = Type.Union([
  Type.Literal("high"),
  Type.Literal("medium"),
  Type.Literal("low"),
]);

/** How urgent a deployment is. */
export type PriorityWord = Static<typeof PriorityWord>;

/** Bytes of pieces that a device has moved for a content, by link, over all its restarts. */
export const ByteCounters = {
  wanInBytes: Count,
  lanInBytes: Count,
  wanOutBytes: Count,
  lanOutBytes: Count,
};

/** Something that is wrong, or worth a look, in a topology. */
export const TopologyFinding = exact({
  severity: Type.Union([Type.Literal("error"), Type.Literal("warning")]),
  code: Type.String(),
  /** The office it is about; empty where it is about the whole. */
  office: Type.String(),
  /** Its row in what was handed in, counted from 1; 0 where it is about the whole. */
  row: Count,
  sentence: Type.String(),
});

/** Why a request was refused (RFC 9457): `detail` says what to do, `code` is stable. */
export const Problem = exact({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  code: Type.String(),
  findings: Type.Optional(Type.Array(TopologyFinding)),
  /** Where a request is not as its schema says; pointers are of RFC 6901. */
  errors: Type.Optional(
    Type.Array(
      exact({
        in: Type.Union([Type.Literal("path"), Type.Literal("query"), Type.Literal("body")]),
        pointer: Type.String(),
        detail: Type.String(),
      }),
    ),
  ),
});

/** Why a request was refused. */
export type Problem = Static<typeof Problem>;
