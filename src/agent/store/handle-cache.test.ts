import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HandleCache } from "./handle-cache.ts";

let folder: string;
let cache: HandleCache;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-handles-"));
  for (const name of ["a", "b", "c"]) await writeFile(join(folder, name), name);
  cache = new HandleCache(2);
});

afterEach(async () => {
  await cache.close();
  await rm(folder, { recursive: true });
});

test("a file stays open between uses, until others need its place", async () => {
  const first = await descriptor("a");
  expect(await descriptor("a")).toBe(first);
  await descriptor("b");
  await descriptor("a");
  await descriptor("c");

  // "b" was the one longest unused.
  expect(await descriptor("a")).toBe(first);
});

test("a use waits while as many files are in use as may be open", async () => {
  const order: string[] = [];
  const [a, b] = [gate(), gate()];
  const uses = [
    cache.use(join(folder, "a"), "r", () => a.opened),
    cache.use(join(folder, "b"), "r", () => b.opened),
    cache.use(join(folder, "c"), "r", async () => void order.push("c is open")),
  ];
  await new Promise(setImmediate);
  order.push("a is done");
  a.open();
  await Promise.all([uses[0], uses[2]]);
  b.open();
  await Promise.all(uses);

  expect(order).toEqual(["a is done", "c is open"]);
});

test("a file that is forgotten while it is in use is closed behind that use", async () => {
  const held = gate();
  const use = cache.use(join(folder, "a"), "r", async (file) => {
    await held.opened;
    return (await file.readFile("utf8")).length;
  });
  const forgotten = cache.forget(join(folder, "a"));
  held.open();
  expect(await use).toBe(1);
  await forgotten;
});

test("a file that cannot be opened fails its use and takes no place", async () => {
  for (let count = 0; count < 3; count += 1) {
    const use = cache.use(join(folder, "none"), "r", async () => {});
    await expect(use).rejects.toMatchObject({ code: "ENOENT" });
  }
  await descriptor("a");
});

test("a file that was opened for reading is opened anew for writing", async () => {
  await descriptor("a");
  await cache.use(join(folder, "a"), "r+", (file) => file.write("x", 0));
  expect(await cache.use(join(folder, "a"), "r", (file) => file.readFile("utf8"))).toBe("x");
});

async function descriptor(name: string): Promise<number> {
  return await cache.use(join(folder, name), "r", async (file) => file.fd);
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
