import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { MIB } from "../../src/base/units.ts";
import { noise, type SampleContent, StoreWorld, sample, sha256 } from "./fixtures/store-world.ts";

const KILLS = 20;

let world: StoreWorld;
let content: SampleContent;

beforeEach(async () => {
  world = await StoreWorld.open();
  content = sample(world.key, { tool: noise(1, 20 * MIB) });
  await world.store.close();
  await writeFile(join(world.folder, "id"), content.contentId);
  await writeFile(join(world.folder, "manifest"), content.signed);
  await writeFile(join(world.folder, "transfer"), content.bytes);
});

afterEach(async () => {
  await world.end();
});

test("a process that is killed at any moment loses nothing that it reported", async () => {
  const prng = new Prng(2024);
  const reported = new Set<number>();
  let finishes = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const lines = await storeAndKill(prng.below(12), prng.below(3_000));
    for (const [, piece] of lines.matchAll(/piece-stored (\d+)\n/g)) reported.add(Number(piece));
    const finished = lines.includes("content-finished");

    await world.reopen();
    const held = world.heldPieces(content) ?? [];
    expect(held).toEqual(expect.arrayContaining([...reported]));
    for (const piece of held) {
      const bytes = (await world.read(content, piece)) ?? new Uint8Array();
      expect(sha256(bytes)).toEqual(content.manifest.pieces[piece]?.sha256);
    }
    const delivered = await readFile(join(world.deliveryFolder, "tool", "1", "tool")).catch(
      () => undefined,
    );
    if (finished) expect(world.store.held()[0]?.finished).toBe(true);
    if (finished) expect(delivered).toBeDefined();
    if (delivered !== undefined) expect(sha256(delivered)).toEqual(content.manifest.sha256);

    if (held.length === content.manifest.pieces.length) {
      await world.store.removeContent(content.contentId);
      reported.clear();
      finishes += 1;
    }
    await world.store.close();
  }
  // The kills came in the middle of the work, not behind it.
  expect(finishes).toBeLessThan(KILLS / 2);

  await runToEnd();
  await world.reopen();
  expect(world.store.held()[0]?.finished).toBe(true);
}, 120_000);

/**
 * Runs the process until it has printed so many lines and has had some turns of this thread's
 * event loop more, and kills it.
 */
async function storeAndKill(linesMin: number, turns: number): Promise<string> {
  const child = startChild();
  let printed = "";
  let count = 0;
  const enough = new Promise<void>((resolve) => {
    if (linesMin === 0) resolve();
    createInterface(child.stdout).on("line", (line) => {
      printed += `${line}\n`;
      count += 1;
      if (count >= linesMin || line.startsWith("content-finished")) resolve();
    });
  });
  const ended = once(child, "close");
  await Promise.race([enough, ended]);
  for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
  child.kill("SIGKILL");
  const [, signal] = await ended;
  expect(signal).toBe("SIGKILL");
  return printed;
}

async function runToEnd(): Promise<void> {
  const child = startChild();
  const ended = once(child, "close");
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith("content-finished")) child.kill("SIGKILL");
  }
  await ended;
}

function startChild() {
  const script = fileURLToPath(new URL("fixtures/store-child.ts", import.meta.url));
  return spawn(process.execPath, [script, world.folder], { stdio: ["ignore", "pipe", "inherit"] });
}
