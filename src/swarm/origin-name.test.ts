import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { parseContentId } from "../base/ids.ts";
import { originName } from "./origin-name.ts";

const CONTENT = parseContentId("ab".repeat(32)) ?? expect.fail();

test("PO4: a content's name at an origin is an HMAC under its id", () => {
  const hmac = (key: Uint8Array, bytes: Uint8Array) =>
    createHmac("sha256", key).update(bytes).digest();
  const key = Buffer.from(CONTENT, "hex");
  const whole = createHmac("sha256", key).update("branchline origin").digest("hex");

  expect(originName({ hmac }, CONTENT)).toBe(whole);
});
