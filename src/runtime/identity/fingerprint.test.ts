import { expect, test } from "vitest";
import { fingerprintOf, parseFingerprint } from "./fingerprint.ts";

const DIGITS = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

test("a fingerprint is the SHA-256 in sixteen groups of four lower-case digits", () => {
  const fingerprint = fingerprintOf(new TextEncoder().encode("abc"));

  expect(fingerprint).toBe(
    "ba78:16bf:8f01:cfea:4141:40de:5dae:2223:b003:61a3:9617:7a9c:b410:ff61:f200:15ad",
  );
  expect(parseFingerprint(fingerprint)).toBe(DIGITS);
});

test("a fingerprint may be typed in any case, with colons, dashes and white space", () => {
  const typed = [
    DIGITS,
    DIGITS.toUpperCase(),
    DIGITS.replace(/(..)(?=.)/g, "$1:"),
    ` ${DIGITS.replace(/(.{8})/g, "$1 ")}\n`,
    DIGITS.replace(/(.{16})(?=.)/g, "$1-"),
  ];

  expect(typed.map(parseFingerprint)).toEqual(typed.map(() => DIGITS));
});

test("anything but 64 hexadecimal digits is no fingerprint", () => {
  const others = ["", DIGITS.slice(1), `${DIGITS}0`, `g${DIGITS.slice(1)}`, `0x${DIGITS}`];

  expect(others.map(parseFingerprint)).toEqual(others.map(() => undefined));
});
