import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareBytes } from "../base/bytes.ts";
import { encodeUtf8 } from "../base/utf8.ts";
import { checkPath, checkWord, collidingPaths, comparePaths } from "./path-rules.ts";

describe("CO6: a path of a package", () => {
  test.each([
    ["a"],
    ["bin/node"],
    [".config/x..y"],
    ["con-fig/console"],
    ["Ä/日本語/😀"],
    ["a b/c"],
    [`${"x".repeat(255)}/y`],
  ])("%j is accepted", (path) => {
    expect(checkPath(path)).toEqual({ ok: true, value: path });
  });

  test.each([
    ["", "empty"],
    ["/etc/passwd", "slash"],
    ["a//b", "empty part"],
    ["a/", "empty part"],
    ["./a", '"."'],
    ["a/../../b", '".."'],
    ["a\\b", "backslash"],
    ["C:/x", "colon"],
    ["file:stream", "colon"],
    ["a\u0000b", "control"],
    ["a\nb", "control"],
    ["a\u0085", "control"],
    ["dir./x", "dot or space"],
    ["x ", "dot or space"],
    ["NUL", "device"],
    ["lib/con.txt", "device"],
    ["Com1 .log", "device"],
    ["lpt9", "device"],
    ["e\u0301", "composed"],
    ["\ud800", "Unicode"],
    ["x".repeat(256), "255"],
    ["é".repeat(128), "255"],
    [Array(9).fill("x".repeat(120)).join("/"), "1024"],
    [Array(129).fill("x").join("/"), "128"],
  ])("%j is refused with a sentence about: %s", (path, word) => {
    const checked = checkPath(path);
    expect(checked.ok).toBe(false);
    expect(checked.ok ? "" : checked.error).toContain(word);
    expect(checked.ok ? "" : checked.error).toMatch(/^The path .*\.$/);
  });

  test("is accepted only if no part can lead upwards, whatever it is made of", () => {
    const character = fc.constantFrom(..."./\\:aA~ \u0000");
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 12 }), (path) => {
        if (!checkPath(path).ok) return;
        expect(path.split("/").some((part) => /^$|^\.{1,2}$|[\\:\0]/.test(part))).toBe(false);
      }),
    );
  });
});

test("CO8: a name is one part of a path that does not begin with a dot", () => {
  expect(checkWord("name", "node-24.1").ok).toBe(true);
  for (const word of ["", ".", "..", ".hidden", "a/b", "a:b", "nul", "x".repeat(129)]) {
    expect(checkWord("name", word).ok).toBe(false);
  }
});

describe("CO7: paths that some device could not keep apart", () => {
  test.each([
    [["a", "b", "c/a"], [], undefined],
    [["a/x", "a/y"], ["a/z", "b"], undefined],
    [["a", "a"], [], "twice"],
    [["Readme", "README"], [], "case"],
    [["ä", "Ä"], [], "case"],
    [["lib/a", "Lib/b"], [], "case"],
    [["a", "a/b"], [], "both a file and a folder"],
    [["a/b", "a"], [], "both a folder and a file"],
    [["A", "a/b"], [], "case"],
    [["a"], ["A"], "case"],
    [["a/b"], ["a"], "both a folder and an empty folder"],
    [["x"], ["a", "a/b"], "both an empty folder and a folder"],
  ])("%j with the empty folders %j: %s", (files, folders, word) => {
    const collision = collidingPaths(files, folders);
    if (word === undefined) expect(collision).toBeUndefined();
    else expect(collision?.problem).toContain(word);
  });
});

test("CO5: paths are ordered as their bytes in UTF-8 are", () => {
  const text = fc.string({ unit: "binary" });
  fc.assert(
    fc.property(text, text, (a, b) => {
      const bytes = compareBytes(encodeUtf8(a), encodeUtf8(b));
      expect(Math.sign(comparePaths(a, b))).toBe(Math.sign(bytes));
    }),
  );
});
