import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, concat, equalBytes, equalSecrets } from "./bytes.ts";
import { fromHex, toHex } from "./hex.ts";
import {
  contentIdBytes,
  contentIdOf,
  deviceIdBytes,
  deviceIdOf,
  parseContentId,
  parseDeviceId,
} from "./ids.ts";

test("joined byte strings lie one behind the other in an array of their own", () => {
  const part = Uint8Array.of(1, 2);
  const joined = concat([part, new Uint8Array(0), Uint8Array.of(3)]);
  part[0] = 9;

  expect([...joined]).toEqual([1, 2, 3]);
  expect(concat([])).toEqual(new Uint8Array(0));
});

test("byte strings compare as the system's own comparison has it", () => {
  const bytes = fc.uint8Array({ maxLength: 4, max: 3 });
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
      expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
      expect(equalSecrets(a, b)).toBe(Buffer.compare(a, b) === 0);
    }),
  );
});

test("hexadecimal digits are written as the system writes them, and read back", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = toHex(bytes);
      expect(text).toBe(Buffer.from(bytes).toString("hex"));
      expect(fromHex(text)).toEqual(bytes);
      expect(fromHex(text.toUpperCase())).toEqual(bytes);
    }),
  );
});

test.each(["0", "0g", " 00", "00\n", "0x00", "+1", "٠٠"])("%j is not hexadecimal", (text) => {
  expect(fromHex(text)).toBeUndefined();
});

test("an id is its digits in lower case, as many as its bytes need, and nothing else", () => {
  const device = "0123456789abcdef".repeat(2);
  const content = "0123456789abcdef".repeat(4);

  expect(parseDeviceId(device)).toBe(device);
  expect(parseContentId(content)).toBe(content);
  for (const wrong of ["", device.toUpperCase(), `${device}0`, `${device}\n`, "g".repeat(32)]) {
    expect(parseDeviceId(wrong)).toBeUndefined();
  }
  for (const wrong of ["", device, content.toUpperCase(), `${content}00`, `${content}\n`]) {
    expect(parseContentId(wrong)).toBeUndefined();
  }
});

test("ids and their bytes stand for each other", () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  fc.assert(
    fc.property(bytes(16), bytes(32), (device, content) => {
      const deviceId = deviceIdOf(device);
      const contentId = contentIdOf(content);
      expect(deviceId && deviceIdBytes(deviceId)).toEqual(device);
      expect(contentId && contentIdBytes(contentId)).toEqual(content);
    }),
  );
  expect(deviceIdOf(new Uint8Array(15))).toBeUndefined();
  expect(contentIdOf(new Uint8Array(33))).toBeUndefined();
});
