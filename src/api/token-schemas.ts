import { type Static, Type } from "typebox";
import { AtMs } from "./common.ts";
import { exact } from "./route.ts";

/** The id of a token, of a webhook or of a delivery. */
export const UuidText = Type.String({ pattern: "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" });

/** What somebody calls a thing: one line of visible characters. */
export const NameText = Type.String({
  pattern: "^[\\p{L}\\p{N}\\p{P}\\p{S}][\\p{L}\\p{N}\\p{P}\\p{S} ]{0,99}$",
});

const tokenFields = {
  tokenId: UuidText,
  name: NameText,
  createdAtMs: AtMs,
  /** Absent: it is good until it is revoked. */
  expiresAtMs: Type.Optional(AtMs),
  /** When it was last used, to within a minute; absent where it never was. */
  usedAtMs: Type.Optional(AtMs),
};

/** A token, without what makes it one. */
export const TokenView = exact(tokenFields);

/** A token to be made. */
export const TokenInput = exact({ name: NameText, expiresAtMs: Type.Optional(AtMs) });

/** A new token; this is the only time that it is shown. */
export const TokenMade = exact({ ...tokenFields, token: Type.String() });

export type TokenView = Static<typeof TokenView>;
