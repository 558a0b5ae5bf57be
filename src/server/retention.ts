import type { Answer, Command } from "../coordinator/contract.ts";
import type { Coordinator } from "../coordinator/coordinator.ts";
import type { DeploymentRow } from "../coordinator/state.ts";
import type { ServerDatabase } from "./database.ts";
import type { ServerSettings } from "./settings.ts";

const DAY_MS = 86_400_000;

/** As whom the server does what nobody told it to do at that moment. */
export const RETENTION = "retention";

/** What retention works on. */
export type RetentionParts = {
  readonly coordinator: Pick<Coordinator, "deploymentRows">;
  readonly database: Pick<ServerDatabase, "packProgress" | "looseProgress" | "auditBefore">;
  readonly settings: ServerSettings["retention"];
  readonly command: (command: Command) => Promise<Answer>;
};

/** What was done. */
export type Retained = {
  /** Rows of progress that were packed, of how many contents. */
  readonly packedRows: number;
  readonly packedContents: number;
  /** Rows of what operators did that were removed. */
  readonly auditRows: number;
};

/** Fewer rows of a content than this are left as they are: they take little room. */
const LOOSE_ROWS_MIN = 100;

/** Keeps the database small: what is old is packed or, where the settings say so, removed. */
export async function retain(parts: RetentionParts, wallMs: number): Promise<Retained> {
  const { coordinator, database, settings } = parts;
  const before = wallMs - settings.progressDays * DAY_MS;
  let [packedRows, packedContents] = [0, 0];
  const rested = restedContents(coordinator.deploymentRows(), before);
  for (const { contentId, rows } of await database.looseProgress()) {
    if (rows < LOOSE_ROWS_MIN || !rested.has(contentId)) continue;
    packedRows += await database.packProgress(contentId, wallMs);
    packedContents += 1;
  }
  return { packedRows, packedContents, auditRows: await trimAudit(parts, wallMs) };
}

/** Contents all of whose deployments have been over since before a time. */
function restedContents(
  deployments: readonly DeploymentRow[],
  before: number,
): ReadonlySet<string> {
  const restless = new Set<string>();
  for (const { contentId, finishedAtMs, cancelledAtMs } of deployments) {
    const overAtMs = cancelledAtMs ?? finishedAtMs;
    if (overAtMs === undefined || overAtMs >= before) restless.add(contentId);
  }
  return new Set(
    deployments.map(({ contentId }) => contentId).filter((contentId) => !restless.has(contentId)),
  );
}

async function trimAudit(
  { database, settings, command }: RetentionParts,
  wallMs: number,
): Promise<number> {
  const beforeMs = wallMs - settings.auditDays * DAY_MS;
  const old = await database.auditBefore(beforeMs);
  if (old === undefined) return 0;
  const answer = await command({ kind: "trim-audit", beforeMs, ...old });
  return answer.kind === "audit-trimmed" ? old.rows : 0;
}

/** How long after its start the server first looks for what is old, and how often from then on. */
const FIRST_MS = 60_000;
const EVERY_MS = DAY_MS;

/** Has what is old looked for once a day, until it is disposed of. */
export function retainDaily(
  parts: RetentionParts,
  told: {
    readonly onDone: (retained: Retained) => void;
    readonly onFault: (error: unknown) => void;
  },
): Disposable {
  const run = (): void => void retain(parts, Date.now()).then(told.onDone, told.onFault);
  const first = setTimeout(run, FIRST_MS);
  const daily = setInterval(run, EVERY_MS);
  return {
    [Symbol.dispose]: () => {
      clearTimeout(first);
      clearInterval(daily);
    },
  };
}
