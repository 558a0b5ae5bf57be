import { randomUUID } from "node:crypto";
import type { Kysely, Transaction } from "kysely";
import type { Patience } from "./patience.ts";
import type { Tables } from "./schema.ts";
import { createSecurityKey, parseSecurityKey, securityKeyHash } from "./security-key.ts";

/** Why a key enrols nobody. */
export type KeyRefusal = {
  readonly code:
    | "security-key-wrong"
    | "security-key-replaced"
    | "security-key-expired"
    | "security-key-used-up";
  /** What is wrong and how to mend it. */
  readonly reason: string;
};

/** How far a new key reaches; without limits it is good until it is replaced. */
export type KeyLimits = { readonly usesMax?: number; readonly expiresAtMs?: number };

/** The security keys of a server, of which it keeps only the hashes (row B14). */
export class SecurityKeys {
  readonly #database: Kysely<Tables>;
  readonly #patience: Patience;

  constructor(database: Kysely<Tables>, patience: Patience) {
    this.#database = database;
    this.#patience = patience;
  }

  /** Makes a key beside those that there are, and returns it; it is kept nowhere. */
  async create(nowMs: number, limits: KeyLimits = {}): Promise<string> {
    const key = createSecurityKey();
    await this.#patience.until(() => insertKey(this.#database, key, nowMs, limits));
    return key;
  }

  /** Makes a new key; all others stop enrolling at once. */
  async regenerate(nowMs: number): Promise<string> {
    const key = createSecurityKey();
    const replace = async (transaction: Transaction<Tables>): Promise<void> => {
      await transaction
        .updateTable("security_keys")
        .set({ revoked_at_ms: nowMs })
        .where("revoked_at_ms", "is", null)
        .where("hash", "!=", hashOf(key))
        .execute();
      await insertKey(transaction, key, nowMs, {});
    };
    await this.#patience.until(() => this.#database.transaction().execute(replace));
    return key;
  }

  /** Why this key enrols nobody now; `undefined` where it does. */
  async judge(text: string, nowMs: number): Promise<KeyRefusal | undefined> {
    const characters = parseSecurityKey(text);
    if (characters === undefined) return WRONG;
    const row = await this.#patience.until(() =>
      this.#database
        .selectFrom("security_keys")
        .selectAll()
        .where("hash", "=", securityKeyHash(characters))
        .executeTakeFirst(),
    );
    if (row === undefined) return WRONG;
    if (row.revoked_at_ms !== null) return REPLACED;
    if (row.expires_at_ms !== null && row.expires_at_ms <= nowMs) return EXPIRED;
    return row.uses_max !== null && row.uses >= row.uses_max ? USED_UP : undefined;
  }

  /** Takes one use of a key, if it has one left at this very moment. */
  async spend(text: string, nowMs: number): Promise<KeyRefusal | undefined> {
    const refusal = await this.judge(text, nowMs);
    if (refusal !== undefined) return refusal;
    // Where a connection breaks in the wrong moment two uses may go: never is one given too many.
    const spent = await this.#patience.until(() =>
      this.#database
        .updateTable("security_keys")
        .set((row) => ({ uses: row("uses", "+", 1) }))
        .where("hash", "=", hashOf(text))
        .where("revoked_at_ms", "is", null)
        .where((row) =>
          row.or([row("uses_max", "is", null), row("uses", "<", row.ref("uses_max"))]),
        )
        .executeTakeFirst(),
    );
    // Judged good a moment ago, and not spent: somebody else took the last use, or replaced it.
    return spent.numUpdatedRows > 0n ? undefined : await this.judge(text, nowMs);
  }
}

async function insertKey(
  database: Kysely<Tables>,
  key: string,
  nowMs: number,
  { usesMax, expiresAtMs }: KeyLimits,
): Promise<void> {
  await database
    .insertInto("security_keys")
    .values({
      id: randomUUID(),
      hash: hashOf(key),
      uses: 0,
      uses_max: usesMax ?? null,
      created_at_ms: nowMs,
      expires_at_ms: expiresAtMs ?? null,
      revoked_at_ms: null,
    })
    // Nobody draws a key twice: it is there because this is done again.
    .onConflict((conflict) => conflict.column("hash").doNothing())
    .execute();
}

function hashOf(key: string): string {
  return securityKeyHash(parseSecurityKey(key) ?? key);
}

const WRONG: KeyRefusal = {
  code: "security-key-wrong",
  reason: "The server does not know this security key: copy it whole, or make a new one there.",
};

const REPLACED: KeyRefusal = {
  code: "security-key-replaced",
  reason: "This security key has been replaced: use the one that came after it.",
};

const EXPIRED: KeyRefusal = {
  code: "security-key-expired",
  reason: "This security key has expired: make a new one on the server.",
};

const USED_UP: KeyRefusal = {
  code: "security-key-used-up",
  reason: "This security key has enrolled as many devices as it may: make a new one on the server.",
};
