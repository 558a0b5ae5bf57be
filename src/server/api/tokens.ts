import { hash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import type { Kysely } from "kysely";
import { LOCAL } from "../../coordinator/commands.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import type { Caller } from "../../runtime/http/route.ts";
import type { Tables } from "../schema.ts";

/** A token as the server keeps it: by its hash alone. */
export type Token = {
  readonly tokenId: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** Absent: it is good until it is revoked. */
  readonly expiresAtMs?: number;
  /** When it was last used, to within a minute; absent where it never was. */
  readonly usedAtMs?: number;
};

/** What somebody is called who gives a command: `local`, or the token by its name. */
export function callerName(caller: Caller, tokens: readonly Token[]): string {
  if (caller.kind === "local") return LOCAL;
  const token = tokens.find(({ tokenId }) => tokenId === caller.tokenId);
  return `token ${token?.name ?? caller.tokenId}`;
}

/** What a token begins with, so that people and programs that look for leaks recognise one. */
const TOKEN_PREFIX = "blt_";

/** Length of what is random in a token, in bytes. */
const TOKEN_BYTES = 32;

/** Most tokens there may be: all of them are compared with what somebody shows. */
export const TOKENS_MAX = 1_000;

/** How often at most it is written down that a token was used, in milliseconds. */
const USED_MS = 60_000;

type Kept = Token & { readonly hash: Buffer };

/** The tokens by which people and programs use the API over TLS. All of them are in memory. */
export class Tokens {
  readonly #database: Kysely<Tables>;
  readonly #kept = new Map<string, Kept>();

  constructor(database: Kysely<Tables>) {
    this.#database = database;
  }

  /** Reads what the database has. */
  async load(): Promise<void> {
    const rows = await this.#database.selectFrom("api_tokens").selectAll().execute();
    for (const row of rows) {
      this.#kept.set(row.token_id, {
        tokenId: row.token_id,
        name: row.name,
        createdAtMs: row.created_at_ms,
        ...(row.expires_at_ms === null ? {} : { expiresAtMs: row.expires_at_ms }),
        ...(row.used_at_ms === null ? {} : { usedAtMs: row.used_at_ms }),
        hash: Buffer.from(row.hash, "hex"),
      });
    }
  }

  /** All tokens, the newest first. */
  list(): readonly Token[] {
    return [...this.#kept.values()]
      .map(({ hash: _, ...token }) => token)
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs);
  }

  /**
   * Makes a token. It is kept nowhere: this is the only time that it is known.
   *
   * @throws RequestRefused `token-expiry` or `too-many-tokens`.
   */
  async create(
    wanted: { readonly name: string; readonly expiresAtMs?: number },
    nowMs: number,
  ): Promise<Token & { readonly token: string }> {
    if (wanted.expiresAtMs !== undefined && wanted.expiresAtMs <= nowMs) {
      const detail = "The token would have expired already: give a time in the future.";
      throw new RequestRefused(422, "token-expiry", detail);
    }
    if (this.#kept.size >= TOKENS_MAX) {
      const detail = `There are ${TOKENS_MAX} tokens already: revoke those that nobody uses.`;
      throw new RequestRefused(409, "too-many-tokens", detail);
    }
    const token = TOKEN_PREFIX + randomBytes(TOKEN_BYTES).toString("base64url");
    const kept = { tokenId: randomUUID(), ...wanted, createdAtMs: nowMs, hash: hashOf(token) };
    await this.#database
      .insertInto("api_tokens")
      .values({
        token_id: kept.tokenId,
        name: kept.name,
        hash: kept.hash.toString("hex"),
        created_at_ms: nowMs,
        expires_at_ms: wanted.expiresAtMs ?? null,
      })
      .execute();
    this.#kept.set(kept.tokenId, kept);
    const { hash: _, ...made } = kept;
    return { ...made, token };
  }

  /** Makes a token worthless, at once. @throws RequestRefused `token-unknown`. */
  async revoke(tokenId: string): Promise<Token> {
    const kept = this.#kept.get(tokenId);
    if (kept === undefined) {
      const detail = "There is no token of this id: list them to see which there are.";
      throw new RequestRefused(404, "token-unknown", detail);
    }
    // First of all it is worth nothing here, even where the database fails.
    this.#kept.delete(tokenId);
    await this.#database.deleteFrom("api_tokens").where("token_id", "=", tokenId).execute();
    const { hash: _, ...revoked } = kept;
    return revoked;
  }

  /**
   * Who shows this header `authorization`.
   *
   * @throws RequestRefused `token-missing`, `token-wrong` or `token-expired`.
   */
  judge(header: string | undefined, nowMs: number): Caller {
    const shown = /^Bearer +(\S+) *$/i.exec(header ?? "")?.[1];
    if (shown === undefined) throw new RequestRefused(401, "token-missing", MISSING, {}, CHALLENGE);
    const found = this.#find(hashOf(shown));
    if (found === undefined) throw new RequestRefused(401, "token-wrong", WRONG, {}, CHALLENGE);
    const { tokenId } = found;
    const isGood = () => isGoodAt(this.#kept.get(tokenId), Date.now());
    if (!isGoodAt(found, nowMs)) {
      throw new RequestRefused(401, "token-expired", EXPIRED, {}, CHALLENGE);
    }
    this.#used(found, nowMs);
    return { kind: "token", tokenId, isGood };
  }

  /** Compares with every token there is, so that the time it takes says nothing. */
  #find(shown: Buffer): Kept | undefined {
    let found: Kept | undefined;
    for (const kept of this.#kept.values()) {
      if (timingSafeEqual(kept.hash, shown)) found = kept;
    }
    return found;
  }

  #used(kept: Kept, nowMs: number): void {
    const { tokenId, usedAtMs = 0 } = kept;
    if (nowMs - usedAtMs < USED_MS) return;
    this.#kept.set(tokenId, { ...kept, usedAtMs: nowMs });
    void this.#database
      .updateTable("api_tokens")
      .set({ used_at_ms: nowMs })
      .where("token_id", "=", tokenId)
      .execute()
      // Nothing depends on it; a database that fails shows itself where something does.
      .catch(() => {});
  }
}

const MISSING =
  "Show a token, as authorization: Bearer TOKEN. branchline server token create makes one.";
const WRONG = "The server does not know this token: it may have been revoked. Make a new one.";
const EXPIRED = "This token has expired: make a new one with branchline server token create.";
const CHALLENGE = { "www-authenticate": 'Bearer realm="branchline"' };

function hashOf(token: string): Buffer {
  return hash("sha256", token, "buffer");
}

function isGoodAt(kept: Kept | undefined, nowMs: number): boolean {
  return kept !== undefined && (kept.expiresAtMs === undefined || nowMs < kept.expiresAtMs);
}
