import { type Static, Type } from "typebox";
import { AtMs, ContentIdText, Count, Sha256Text } from "./common.ts";
import { exact } from "./route.ts";
import { UuidText } from "./token-schemas.ts";

const uploadFields = {
  uploadId: UuidText,
  contentId: ContentIdText,
  name: Type.String(),
  version: Type.String(),
  type: Type.String(),
  /** The publisher's public key, in hexadecimal digits. */
  publisher: Type.String(),
  /** SHA-256 of the complete transfer. */
  sha256: Sha256Text,
  sizeBytes: Count,
  /** How many bytes have come: the next ones are sent from there. */
  haveBytes: Count,
  startedBy: Type.String(),
  createdAtMs: AtMs,
  /** When something last came: it is given up when nothing does for the time of a setting. */
  updatedAtMs: AtMs,
};

/** A package on its way into the file storage. */
export const UploadView = exact(uploadFields);

/** A signed manifest, in base64. */
export const ManifestText = Type.String({
  pattern: "^[A-Za-z0-9+/]+={0,2}$",
  maxLength: 23_000_000,
});

/** The same with its signed manifest, by which a publisher knows it again. */
export const UploadDetail = exact({ ...uploadFields, manifest: Type.String() });

/** A package to be uploaded: what its publisher signed. */
export const UploadInput = exact({ manifest: ManifestText });

/** What became of an upload. */
export const UploadBegun = exact({
  contentId: ContentIdText,
  /** Whether the file storage has the package already, and nothing is to be sent. */
  wasThere: Type.Boolean(),
  upload: Type.Optional(UploadView),
});

/** From which byte on something is sent. */
export const UploadQuery = exact({
  offset: Type.Integer({ minimum: 0, maximum: 999_999_999_999_999 }),
});

export type UploadView = Static<typeof UploadView>;
