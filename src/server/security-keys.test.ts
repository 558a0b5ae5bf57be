import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Databases, KINDS } from "../../test/integration/support/databases.ts";
import { openToRead } from "./connection.ts";
import { ServerDatabase } from "./database.ts";
import type { DatabasePlace } from "./database-place.ts";

let databases: Databases;
let place: DatabasePlace;
let database: ServerDatabase;

beforeAll(async () => {
  databases = await Databases.open();
});
afterAll(() => databases.close());

describe.each(KINDS)("the security keys in a database of the kind $kind", ({ kind, lack }) => {
  beforeEach(async (context) => {
    context.skip(lack !== undefined, lack);
    place = await databases.emptyPlace(kind);
    database = await ServerDatabase.create(place, "Acme");
  });
  afterEach(async () => {
    if (lack === undefined) await database.close();
  });

  test("B14, EN4: enrol in whatever case they are typed, until they are replaced", async () => {
    const keys = database.securityKeys;
    const first = await keys.create(0);
    expect(first).toMatch(/^([A-Z2-7]{4}-){7}[A-Z2-7]{4}$/);
    expect(await keys.spend(` ${first.toLowerCase().replaceAll("-", " ")} `, 1)).toBeUndefined();

    const second = await keys.regenerate(2);

    expect(await keys.spend(first, 3)).toMatchObject({ code: "security-key-replaced" });
    expect(await keys.spend(second, 3)).toBeUndefined();
    expect(await keys.spend(`${second}A`, 3)).toMatchObject({ code: "security-key-wrong" });
    expect(await keys.spend("A".repeat(32), 3)).toMatchObject({ code: "security-key-wrong" });
  });

  test("B14, EN4: are kept nowhere themselves", async () => {
    const key = await database.securityKeys.create(0);
    const reader = await openToRead(place);
    const rows = JSON.stringify(
      await reader.kysely.selectFrom("security_keys").selectAll().execute(),
    );
    await reader.close();

    expect(rows).toContain("hash");
    expect(rows).not.toContain(key);
    expect(rows).not.toContain(key.replaceAll("-", ""));
  });

  test("with a count and an expiry enrol so many, and until then", async () => {
    const keys = database.securityKeys;
    const counted = await keys.create(0, { usesMax: 3 });
    const passing = await keys.create(0, { expiresAtMs: 100 });

    const outcomes = await Promise.all(Array.from({ length: 8 }, () => keys.spend(counted, 1)));

    expect(outcomes.filter((outcome) => outcome === undefined).length).toBe(3);
    expect(await keys.judge(counted, 1)).toMatchObject({ code: "security-key-used-up" });
    expect(await keys.judge(passing, 99)).toBeUndefined();
    expect(await keys.judge(passing, 100)).toMatchObject({ code: "security-key-expired" });
  });
});
