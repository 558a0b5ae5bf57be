import { expect, test } from "vitest";
import {
  fragmentsOf,
  IDS,
  keyPair,
  SECRET,
  textOf,
} from "../../test/simulation/fixtures/records.ts";
import { concat } from "../base/bytes.ts";
import { toHex } from "../base/hex.ts";
import { Prng } from "../base/prng.ts";
import type { Crypto } from "../effects/crypto.ts";
import { toyCrypto } from "../sim/toy-crypto.ts";
import type { RecordDatagram } from "../wire/datagram.ts";
import { REKEY_US } from "./constants.ts";
import { OpenKeys, SealKeys } from "./keys.ts";

const TEXT = textOf(100);

test("a record opens on the other side, and only under its own name", () => {
  const { seal, open } = keyPair();
  const [record] = sealed(seal, { record: 5, nowUs: 0 });

  expect(open.open(record, record.payload)).toEqual(TEXT);
  const others: readonly Partial<RecordDatagram>[] = [
    { record: 6 },
    { channel: 1 },
    { lane: "once" },
    { destination: 12 },
    { phase: 1 },
  ];
  for (const other of others) {
    expect(open.open({ ...record, ...other }, record.payload)).toBeUndefined();
  }
});

test("a record does not open for another association, another side or another secret", () => {
  const crypto = toyCrypto(new Prng(1));
  const { seal } = keyPair(crypto);
  const [record] = sealed(seal, { record: 0, nowUs: 0 });
  const openers = [
    new OpenKeys(crypto, SECRET, { side: "responder", ids: IDS }),
    new OpenKeys(crypto, SECRET, { side: "initiator", ids: { ...IDS, initiator: 12 } }),
    new OpenKeys(crypto, SECRET, { side: "initiator", ids: { ...IDS, responder: 23 } }),
    new OpenKeys(crypto, new Uint8Array(32), { side: "initiator", ids: IDS }),
  ];

  for (const opener of openers) expect(opener.open(record, record.payload)).toBeUndefined();
});

test("RC3: the nonce is the record's number behind eight zeros", () => {
  const nonces: string[] = [];
  const crypto = recording((_key, nonce) => nonces.push(toHex(nonce)));
  sealed(keyPair(crypto).seal, { record: 0x01020304, nowUs: 0 });

  expect(nonces).toEqual(["000000000000000001020304"]);
});

test("RC5: sides, lanes and phases have keys of their own", () => {
  const keys = new Set<string>();
  const crypto = recording((key) => keys.add(toHex(key)));
  for (const side of ["initiator", "responder"] as const) {
    const seal = new SealKeys(crypto, SECRET, { side, ids: IDS, nowUs: 0 });
    for (const nowUs of [0, REKEY_US, 2 * REKEY_US]) {
      for (const lane of ["reliable", "once"] as const) sealed(seal, { record: 0, lane, nowUs });
    }
  }

  expect(keys.size).toBe(2 * 2 * 3);
});

test("RC6: the sender changes its key every hour, and the receiver follows", () => {
  const { seal, open } = keyPair();
  for (let hour = 0; hour < 5; hour += 1) {
    const [record] = sealed(seal, { record: hour, nowUs: hour * REKEY_US });
    expect(record.phase).toBe(hour % 2);
    expect(open.open(record, record.payload)).toEqual(TEXT);
  }
});

test("RC6: records of the phase before still open, those of two phases before do not", () => {
  const { seal, open } = keyPair();
  const [oldest] = sealed(seal, { record: 0, nowUs: 0 });
  const [older] = sealed(seal, { record: 1, nowUs: REKEY_US });
  expect(open.open(older, older.payload)).toEqual(TEXT);
  expect(open.open(oldest, oldest.payload)).toEqual(TEXT);

  const [newest] = sealed(seal, { record: 2, nowUs: 2 * REKEY_US });
  expect(open.open(newest, newest.payload)).toEqual(TEXT);
  expect(open.open(older, older.payload)).toEqual(TEXT);
  expect(open.open(oldest, oldest.payload)).toBeUndefined();
});

test("RC6, RC12: a forged phase does not make the receiver leave the present one", () => {
  const { seal, open } = keyPair();
  const [record] = sealed(seal, { record: 0, nowUs: 0 });
  for (let forged = 0; forged < 10; forged += 1) {
    expect(open.open({ ...record, phase: 1 }, record.payload)).toBeUndefined();
  }

  expect(open.open(record, record.payload)).toEqual(TEXT);
});

test("RC11: what was sealed can be opened again by its sender, also after a change of keys", () => {
  const { seal } = keyPair();
  const [before] = sealed(seal, { record: 0, nowUs: 0 });
  expect(seal.reopen(before, before.payload)).toEqual(TEXT);
  const [after] = sealed(seal, { record: 1, nowUs: REKEY_US });

  expect(seal.reopen(after, after.payload)).toEqual(TEXT);
  expect(seal.reopen(before, before.payload)).toEqual(TEXT);
  expect(seal.reopen(before, concat([before.payload, Uint8Array.of(0)]))).toBeUndefined();
});

function sealed(
  seal: SealKeys,
  name: { readonly record: number; readonly nowUs: number; readonly lane?: "reliable" | "once" },
): readonly [RecordDatagram] {
  const [record] = fragmentsOf(seal, TEXT, { packet: 1, ...name });
  return record === undefined ? expect.fail("nothing was sealed") : [record];
}

function recording(note: (key: Uint8Array, nonce: Uint8Array) => void): Crypto {
  const crypto = toyCrypto(new Prng(1));
  return {
    ...crypto,
    seal: (key, nonce, aad, plaintext) => {
      note(key, nonce);
      return crypto.seal(key, nonce, aad, plaintext);
    },
  };
}
