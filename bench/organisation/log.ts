import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Stage } from "../stage.ts";
import type { Machine } from "./organisation.ts";

/** One line of an agent's log: the event's name and its fields. */
export type Logged = { readonly msg: string } & Readonly<Record<string, unknown>>;

/** What an agent has logged so far, over all its starts. */
export async function logOf(stage: Stage, { name }: Machine): Promise<readonly Logged[]> {
  const text = await readFile(join(stage.folder, `${name}.log`), "utf8");
  return text.split("\n").flatMap((line) => {
    // The last line may not be whole yet, and Node may say something of its own.
    try {
      return [JSON.parse(line) as Logged];
    } catch {
      return [];
    }
  });
}
