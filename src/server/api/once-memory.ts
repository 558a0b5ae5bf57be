import type { Kysely } from "kysely";
import type { OnceKey, OnceMemory } from "../../runtime/http/app.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import type { Tables } from "../schema.ts";

/** How long what was asked under a key is remembered, in milliseconds. */
export const ONCE_MS: number = 24 * 3_600_000;

/**
 * What has been done under an `Idempotency-Key`, in the database.
 *
 * That something begins is written down before it begins, and its answer before it is given. Where
 * the server ends in between, nobody knows how far it came: then it is not done again, and said so.
 */
export class SqlOnceMemory implements OnceMemory {
  readonly #database: Kysely<Tables>;
  /** What is being done now; whoever asks the same meanwhile waits for it. */
  readonly #running = new Map<
    string,
    { readonly request: string; readonly end: Promise<string> }
  >();

  constructor(database: Kysely<Tables>) {
    this.#database = database;
  }

  async once(key: OnceKey, work: () => Promise<string>): Promise<string> {
    const running = this.#running.get(key.key);
    if (running !== undefined) {
      if (running.request !== key.request) throw reused();
      if (key.secret) throw secret();
      return await running.end;
    }
    const end = this.#run(key, work);
    this.#running.set(key.key, { request: key.request, end });
    try {
      return await end;
    } finally {
      this.#running.delete(key.key);
    }
  }

  async #run({ key, request, secret: isSecret }: OnceKey, work: () => Promise<string>) {
    const nowMs = Date.now();
    const row = await this.#database
      .selectFrom("idempotency_keys")
      .selectAll()
      .where("key", "=", key)
      .where("created_at_ms", ">", nowMs - ONCE_MS)
      .executeTakeFirst();
    if (row !== undefined) {
      if (row.request !== request) throw reused();
      if (row.done === 0) throw unfinished();
      if (row.answer_json === null) throw secret();
      return row.answer_json;
    }
    await this.#begin(key, request, nowMs);
    let answer: string;
    try {
      answer = await work();
    } catch (error) {
      // It was refused, so nothing was done: the key is free for another attempt.
      await this.#database.deleteFrom("idempotency_keys").where("key", "=", key).execute();
      throw error;
    }
    await this.#database
      .updateTable("idempotency_keys")
      .set({ done: 1, answer_json: isSecret ? null : answer })
      .where("key", "=", key)
      .execute();
    return answer;
  }

  async #begin(key: string, request: string, nowMs: number): Promise<void> {
    await this.#database
      .deleteFrom("idempotency_keys")
      .where("created_at_ms", "<=", nowMs - ONCE_MS)
      .execute();
    await this.#database
      .insertInto("idempotency_keys")
      .values({ key, request, done: 0, created_at_ms: nowMs })
      .execute();
  }
}

function reused(): RequestRefused {
  const detail = "This idempotency-key was used for another request: take a new one for each.";
  return new RequestRefused(422, "idempotency-key-reused", detail);
}

function unfinished(): RequestRefused {
  const detail =
    "The server stopped while it did this the first time: list what there is to see whether it " +
    "was done, and ask again under a new idempotency-key where it was not.";
  return new RequestRefused(409, "idempotency-key-unfinished", detail);
}

function secret(): RequestRefused {
  const detail =
    "This was done already, and what it answered is shown once and kept nowhere: where the answer " +
    "is lost, undo it and ask again under a new idempotency-key.";
  return new RequestRefused(409, "idempotency-answer-secret", detail);
}
