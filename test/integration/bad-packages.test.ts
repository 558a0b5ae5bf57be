import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Organisation } from "./support/organisation.ts";
import { noise, writeTree } from "./support/packages.ts";
import { type CommandProblem, runForJson, runForProblem } from "./support/programs.ts";
import { waitFor } from "./support/waiting.ts";

const DISK_BYTES = 4 << 20;

let organisation: Organisation;
let folder = "";
const endings: (() => Promise<void>)[] = [];

beforeAll(async () => {
  organisation = await Organisation.start({ central: 1, branch: 0 }, (end) => endings.push(end));
  folder = join(organisation.folder, "package");
  await writeTree(folder, { "bin/tool": { bytes: noise(50, 300_000), mode: 0o755 } });
}, 60_000);

afterAll(async () => {
  for (const end of endings) await end();
}, 60_000);

const SMALL = { bytes: noise(51, 100) };

test.each<[what: string, code: string, says: RegExp, make: (path: string) => Promise<void>]>([
  [
    "a symbolic link",
    "package-link",
    /link is a symbolic link to .*Put a copy/,
    (path) => symlink("/etc/passwd", join(path, "link")),
  ],
  [
    "a named pipe",
    "package-special-file",
    /pipe is a named pipe.*Take it out/,
    async (path) => void execFileSync("mkfifo", [join(path, "pipe")]),
  ],
  [
    "names that differ only by case",
    "package-collision",
    /Readme.*Rename one/,
    (path) => writeTree(path, { Readme: SMALL, README: SMALL }),
  ],
  [
    "a name that leads out of the folder on some systems",
    "package-path",
    /cannot be distributed.*Rename it/,
    (path) => writeTree(path, { "..\\..\\autostart": SMALL }),
  ],
])("a folder with %s is refused, and nothing of it remains", async (what, code, says, make) => {
  const path = join(organisation.folder, `bad ${what}`);
  await writeTree(path, { "a/file": SMALL, "z/file": SMALL });
  await make(path);

  const problem = await refused(path);

  expect(problem).toEqual({ exitCode: 1, code, message: expect.stringMatching(says) });
  await expectNothingThere();
});

test("a folder without a file is refused", async () => {
  const path = join(organisation.folder, "empty");
  await mkdir(join(path, "deep/down"), { recursive: true });

  const problem = await refused(path);

  expect(problem).toMatchObject({ exitCode: 1, code: "package-empty" });
  await expectNothingThere();
});

test("a path at which nothing is is refused", async () => {
  const problem = await refused(join(organisation.folder, "nothing"));

  expect(problem).toMatchObject({ exitCode: 1, code: "package-missing" });
  await expectNothingThere();
});

test("a file that changes while it is read is refused, and nothing of it remains", async () => {
  const path = join(organisation.folder, "growing.bin");
  await writeFile(path, noise(52, 50_000_000));

  const publishing = { over: false };
  const problem = refused(path).finally(() => {
    publishing.over = true;
  });
  while (!publishing.over) {
    await appendFile(path, "x");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }

  expect(await problem).toEqual({
    exitCode: 1,
    code: "package-changed",
    message: expect.stringMatching(/growing\.bin changed while it was read.*publish a copy/),
  });
  await expectNothingThere();
});

test.each([
  { who: "the device itself", known: false },
  { who: "the server", known: true },
])("a publisher whom $who does not know is refused, and nothing remains", async ({ known }) => {
  const key = join(organisation.folder, known ? "half-known" : "stranger");
  await runForJson(["publisher", "key", "new", key], organisation.commands);
  if (known) await enrolAgain(["--publisher", `${key}.publisher`]);

  const problem = await refused(folder, ["--key", `${key}.key`]);

  expect(problem).toEqual({
    exitCode: 1,
    code: "manifest-refused",
    message: expect.stringMatching(/publisher/i),
  });
  await expectNothingThere();
});

const lacking = lackOfMounts();

test.skipIf(lacking !== undefined)(
  `a folder whose disk is full is named, and nothing half-done remains${
    lacking === undefined ? "" : ` (skipped: ${lacking})`
  }`,
  async () => {
    const disk = join(organisation.folder, "disk");
    await mkdir(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", disk]);
    try {
      const path = join(organisation.folder, "large.bin");
      await writeFile(path, noise(53, 2 * DISK_BYTES));

      const problem = await refused(path, ["--work", join(disk, "work")]);

      expect(problem).toMatchObject({ exitCode: 1, code: "work-folder-full" });
      expect(problem.message).toMatch(/8388608 bytes are needed.*Free some space/);
      expect(await readdir(join(disk, "work"))).toEqual([]);
      await expectNothingThere();
    } finally {
      execFileSync("umount", [disk]);
    }
  },
);

test("after all that a good package is published", async () => {
  const what = { path: folder, name: "tool", version: "1" };

  const { contentId } = await organisation.publish(what);

  expect(await readdir(organisation.work)).toEqual([]);
  expect(await contentIds()).toEqual([contentId]);
});

/** Enrols the agent anew with more publishers, and starts it again. */
async function enrolAgain(more: readonly string[]): Promise<void> {
  const agent = organisation.agent("central-1");
  await agent.program?.end();
  await runForJson([...organisation.enrolment(agent), ...more], organisation.commands);
  organisation.startAgent(agent);
  await waitFor(
    "the agent to reach the server",
    async () => (await organisation.status(agent)).server.connected || undefined,
  );
}

async function refused(path: string, changes: readonly string[] = []): Promise<CommandProblem> {
  const publication = organisation.publication({ path, name: "tool", version: "0" });
  return await runForProblem([...publication, ...changes], organisation.commands);
}

/** Neither the working folder nor the agent nor the server has anything of a refused package. */
async function expectNothingThere(): Promise<void> {
  const agent = organisation.agent("central-1");
  const stored = existsSync(organisation.work) ? await readdir(organisation.work) : [];
  expect(stored).toEqual([]);
  expect(await readdir(join(agent.data, "store", "contents"))).toEqual([]);
  expect((await organisation.status(agent)).contents).toEqual([]);
  expect(await contentIds()).toEqual([]);
}

async function contentIds(): Promise<readonly string[]> {
  const args = ["content", "list", "--data", organisation.server.data];
  const { contents } = await runForJson<{ contents: readonly { contentId: string }[] }>(
    args,
    organisation.commands,
  );
  return contents.map(({ contentId }) => contentId);
}

/** Why no small disk can be mounted here. */
function lackOfMounts(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  return process.getuid?.() === 0 ? undefined : "needs root, to mount a small disk";
}
