import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { toHex } from "../base/hex.ts";
import { parseContentId, parseDeviceId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { toyCrypto } from "../sim/toy-crypto.ts";
import { contentTag } from "./content-tag.ts";

const CONTENT = parseContentId("ab".repeat(32)) ?? expect.fail();
const ASKER = parseDeviceId("01".repeat(16)) ?? expect.fail();
const ANSWERER = parseDeviceId("02".repeat(16)) ?? expect.fail();

const CRYPTO = {
  ...toyCrypto(new Prng(1)),
  hmac: (key: Uint8Array, bytes: Uint8Array) => createHmac("sha256", key).update(bytes).digest(),
};

test("a tag is half of an HMAC under the content id of who asks whom", () => {
  const text = Buffer.concat([
    Buffer.from("branchline open"),
    Buffer.from(ASKER, "hex"),
    Buffer.from(ANSWERER, "hex"),
  ]);
  const whole = createHmac("sha256", Buffer.from(CONTENT, "hex")).update(text).digest("hex");

  const tag = contentTag(CRYPTO, CONTENT, { asker: ASKER, answerer: ANSWERER });

  expect(toHex(tag)).toBe(whole.slice(0, 32));
});

test("a tag that was overheard is of no use in the other direction", () => {
  const there = contentTag(CRYPTO, CONTENT, { asker: ASKER, answerer: ANSWERER });
  const back = contentTag(CRYPTO, CONTENT, { asker: ANSWERER, answerer: ASKER });

  expect(toHex(there)).not.toBe(toHex(back));
});
