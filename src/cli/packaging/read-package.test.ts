import { execFileSync } from "node:child_process";
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../agent/store/disk.ts";
import { MIB } from "../../base/units.ts";
import { decodeManifest, encodeManifest } from "../../content/manifest-codec.ts";
import { readPackage } from "./read-package.ts";

const OPTIONS = {
  name: "tool",
  version: "1.0",
  type: "application",
  signedAtS: 1_700_000_000,
  publisher: new Uint8Array(32),
};

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-package-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe("a package is read", () => {
  test("from one file, under its name", async () => {
    const bytes = Buffer.alloc(3 * MIB + 17, "branchline");
    await put("tool.bin", bytes);

    const { manifest, sources } = await readPackage(join(folder, "tool.bin"), OPTIONS);

    expect(manifest.files).toEqual([
      { path: "tool.bin", sizeBytes: bytes.length, mode: 0o644, sha256: hashOf(bytes) },
    ]);
    expect(manifest.sha256).toEqual(hashOf(bytes));
    for (const { offsetBytes, sizeBytes, sha256: hash } of manifest.pieces) {
      expect(hash).toEqual(hashOf(bytes.subarray(offsetBytes, offsetBytes + sizeBytes)));
    }
    expect(sources).toEqual([
      { path: "tool.bin", source: join(folder, "tool.bin"), sizeBytes: bytes.length },
    ]);
  });

  test("from a folder: files in the order of their bytes, modes, empty folders", async () => {
    await put("b/z", "zz");
    await put("b/run", "#!", 0o711);
    await put("B2", "x", 0o600);
    await put("ä", "");
    await mkdir(join(folder, "none/at/all"), { recursive: true });

    const { manifest } = await readPackage(folder, OPTIONS);

    expect(manifest.files.map(({ path, mode, sizeBytes }) => [path, mode, sizeBytes])).toEqual([
      ["B2", 0o644, 1],
      ["b/run", 0o755, 2],
      ["b/z", 0o644, 2],
      ["ä", 0o644, 0],
    ]);
    expect(manifest.emptyFolders).toEqual(["none/at/all"]);
    expect(manifest.sha256).toEqual(hashOf(Buffer.from("x#!zz")));
    expect(decodeManifest(encodeManifest(manifest))).toEqual({ ok: true, value: manifest });
  });

  test("the same however its folder lists it, with progress and the whole transfer", async () => {
    for (const name of ["c", "a", "b"]) await put(name, name.repeat(700_000));
    const transfer: Buffer[] = [];
    const progress: number[] = [];

    await readPackage(folder, {
      ...OPTIONS,
      onBytes: ({ doneBytes, sizeBytes }) => {
        progress.push(doneBytes);
        expect(sizeBytes).toBe(2_100_000);
      },
      sink: {
        begin: (sizeBytes) => {
          expect(sizeBytes).toBe(2_100_000);
          return Promise.resolve();
        },
        write: (bytes) => {
          transfer.push(Buffer.from(bytes));
          return Promise.resolve();
        },
      },
    });

    const whole = ["a", "b", "c"].map((name) => name.repeat(700_000)).join("");
    expect(Buffer.concat(transfer).toString()).toBe(whole);
    expect(progress.at(-1)).toBe(2_100_000);
  });

  test("no further than to where it is interrupted", async () => {
    await put("a", Buffer.alloc(4 * MIB));
    const stop = new AbortController();
    const reading = readPackage(folder, {
      ...OPTIONS,
      signal: stop.signal,
      onBytes: () => stop.abort(new Error("stopped")),
    });
    await expect(reading).rejects.toThrow("stopped");
  });
});

describe("a package is refused, naming what to mend,", () => {
  test("where nothing is", async () => {
    await refused(join(folder, "missing"), "package-missing", join(folder, "missing"));
  });

  test("without any file", async () => {
    await mkdir(join(folder, "a/b"), { recursive: true });
    await refused(folder, "package-empty", folder);
  });

  test.each([["inside"], ["dangling"], ["itself"]])("with a symbolic link: %s", async (kind) => {
    await put("file", "x");
    const target = kind === "dangling" ? join(folder, "nothing") : join(folder, "file");
    await symlink(target, join(folder, "link"));
    const path = kind === "itself" ? join(folder, "link") : folder;
    await refused(path, "package-link", join(folder, "link"));
  });

  test("with a named pipe, without waiting for it", async () => {
    await put("file", "x");
    execFileSync("mkfifo", [join(folder, "pipe")]);
    await refused(folder, "package-special-file", join(folder, "pipe"));
  });

  test("with a socket", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(folder, "socket"), resolve));
    await refused(folder, "package-special-file", join(folder, "socket"));
    await new Promise((resolve) => server.close(resolve));
  });

  test("that is a device", async () => {
    await refused("/dev/null", "package-special-file", "/dev/null");
  });

  test("with names that differ only by case", async () => {
    await put("Readme", "x");
    await put("README", "x");
    await refused(folder, "package-collision", "README");
  });

  test.each([["nul.txt"], ["a:b"], ["back\\slash"], ["dot."]])("with the name %j", async (name) => {
    await put(`sub/${name}`, "x");
    await refused(folder, "package-path", JSON.stringify(join(folder, "sub", name)));
  });

  test("with an empty folder of a bad name", async () => {
    await put("file", "x");
    await mkdir(join(folder, "aux"));
    await refused(folder, "package-path", "aux");
  });

  test("with a name that is not UTF-8", async () => {
    await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x61, 0xff])]), "x");
    await refused(folder, "package-path", "UTF-8");
  });

  test.skipIf(process.getuid?.() === 0)("with a file that we may not read", async () => {
    await put("secret", "x", 0o000);
    await refused(folder, "package-unreadable", join(folder, "secret"));
  });

  test("with a version that is no part of a path", async () => {
    await put("file", "x");
    const reading = readPackage(folder, { ...OPTIONS, version: "../1" });
    await expect(reading).rejects.toMatchObject({ code: "package-word" });
  });
});

describe("a package that changes while it is read is refused:", () => {
  test.each<[string, string, () => Promise<void>]>([
    ["a file that grows", "b", () => appendFile(join(folder, "b"), "more")],
    ["a file that is written after it was read", "a", () => put("a", "y".repeat(100))],
    ["a file that is replaced", "b", () => replace("b")],
    ["a file that is gone", "b", () => rm(join(folder, "b"))],
    ["a file that is new", "c", () => put("c", "new")],
    ["a folder that is new", "d", async () => void (await mkdir(join(folder, "d")))],
    ["permissions", "a", () => chmod(join(folder, "a"), 0o755)],
  ])("%s", async (_what, name, change) => {
    await put("a", "x".repeat(100));
    await put("b", Buffer.alloc(2 * MIB));
    // Long ago, so that any write now shows.
    for (const old of ["a", "b"]) await utimes(join(folder, old), 1_000, 1_000);
    let changed = false;

    const reading = readPackage(folder, {
      ...OPTIONS,
      sink: {
        begin: async () => {},
        write: async () => {
          if (!changed) await change();
          changed = true;
        },
      },
    });

    // A file that is gone before it is opened is as much of a change as one that is there.
    await expect(reading).rejects.toMatchObject({
      code: expect.stringMatching(/^package-(changed|missing)$/),
      message: expect.stringContaining(join(folder, name)),
    });
  });
});

async function put(path: string, bytes: string | Uint8Array, mode = 0o644): Promise<void> {
  await mkdir(join(folder, path, ".."), { recursive: true });
  await writeFile(join(folder, path), bytes);
  await chmod(join(folder, path), mode);
}

/** Puts another file of the same size and time in the place of one. */
async function replace(name: string): Promise<void> {
  await put("other", Buffer.alloc(2 * MIB, 1));
  await utimes(join(folder, "other"), 1_000, 1_000);
  await rename(join(folder, "other"), join(folder, name));
}

async function refused(path: string, code: string, named: string): Promise<void> {
  await expect(readPackage(path, OPTIONS)).rejects.toMatchObject({
    name: "OperatorError",
    code,
    message: expect.stringContaining(named),
  });
}

function hashOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(sha256(bytes));
}
