import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ContentId } from "../base/ids.ts";
import type { Change } from "../coordinator/state.ts";
import { nodeCrypto } from "../runtime/crypto.ts";
import { originName } from "../swarm/origin-name.ts";
import type { Origin } from "../wire/messages.ts";
import { putAtOrigin } from "./origin-files.ts";
import { OriginFiller } from "./origin-filler.ts";
import type { BlobStorage } from "./storage/blob-storage.ts";
import { DirectoryStorage } from "./storage/directory-storage.ts";
import { FileStorage } from "./storage/file-storage.ts";
import { blobNameOf } from "./storage/uploads.ts";

const CONTENT = "c1".repeat(32) as ContentId;
const OTHER = "c2".repeat(32) as ContentId;
const ORIGINS_CHANGED: Change = { kind: "origins-replace", origins: [] };

let folder: string;
let storage: BlobStorage;
let fileStorage: FileStorage;
let directory: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-origin-"));
  const packages = join(folder, "packages");
  await mkdir(packages);
  storage = await DirectoryStorage.open(packages);
  fileStorage = new FileStorage({
    configured: () => ({
      ...{ storageId: "s1", kind: "directory", location: packages, details: {} },
      configuredAtMs: 1,
    }),
    secretFile: join(folder, "secret.json"),
    surroundings: { allow: ["127.0.0.0/8"], packagesFile: join(folder, "packages.db") },
  });
  directory = join(folder, "origin");
  await mkdir(directory);
  await store(CONTENT, "the bytes");
});
afterEach(() => rm(folder, { recursive: true }));

test("PO4: a package lies at an origin as one readable file under its name there", async () => {
  const put = await putAtOrigin({ storage, contentId: CONTENT, directory });

  const name = originName(nodeCrypto, CONTENT);
  expect(put).toEqual({ path: join(directory, name), wasThere: false });
  expect(await readdir(directory)).toEqual([name]);
  expect(await readFile(put.path, "utf8")).toBe("the bytes");
  expect((await stat(put.path)).mode & 0o777).toBe(0o644);
  const again = await putAtOrigin({ storage, contentId: CONTENT, directory });
  expect(again.wasThere).toBe(true);
  expect(JSON.stringify(await readdir(directory))).not.toContain(CONTENT);
});

test("what is of another length there is put there anew", async () => {
  const { path } = await putAtOrigin({ storage, contentId: CONTENT, directory });
  await writeFile(path, "the");

  expect(await putAtOrigin({ storage, contentId: CONTENT, directory })).toMatchObject({
    wasThere: false,
  });
  expect(await readFile(path, "utf8")).toBe("the bytes");
});

test("bytes that are not here, and a directory that is not there, are named", async () => {
  await expect(putAtOrigin({ storage, contentId: OTHER, directory })).rejects.toMatchObject({
    code: "blob-missing",
    message: expect.stringContaining(OTHER),
  });
  const nowhere = join(folder, "nowhere");
  await expect(
    putAtOrigin({ storage, contentId: CONTENT, directory: nowhere }),
  ).rejects.toMatchObject({ code: "origin-unusable", message: expect.stringContaining(nowhere) });
});

test("every package comes into every directory that is an origin, as both come", async () => {
  const contents = [{ contentId: CONTENT }, { contentId: OTHER }];
  const origins: Origin[] = [{ kind: "cdn", location: "https://cdn.example" }];
  const logged: string[] = [];
  const log = pino({ level: "debug" }, { write: (line) => logged.push(JSON.parse(line).msg) });
  const plan = { origins: () => origins, contents: () => contents };
  const filler = new OriginFiller(fileStorage, plan, log);
  filler.fill();
  await filler.idle();
  expect(await readdir(directory)).toEqual([]);

  origins.push({ kind: "storage", location: join(folder, "gone") });
  origins.push({ kind: "storage", location: directory });
  filler.onChanges([ORIGINS_CHANGED]);
  await filler.idle();
  expect(await readdir(directory)).toEqual([originName(nodeCrypto, CONTENT)]);
  expect(logged).toContain("origin-filled");
  expect(logged).toContain("origin-not-filled");

  await store(OTHER, "others");
  filler.onChanges([ORIGINS_CHANGED]);
  await filler.idle();
  expect((await readdir(directory)).length).toBe(2);
});

async function store(contentId: ContentId, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  const writing = await storage.begin(blobNameOf(contentId), bytes.length);
  await storage.finish(await storage.append(writing, bytes));
}
