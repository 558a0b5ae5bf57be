import type { Kysely } from "kysely";
import type { OfficesState, TopologyChangeRow, TopologySummary } from "../coordinator/state.ts";
import type { Patience } from "./patience.ts";
import type { Tables } from "./schema.ts";

/** One change of the topology, as it is listed. */
export type TopologyHistoryEntry = Pick<TopologyChangeRow, "atMs" | "who" | "summary"> & {
  readonly number: number;
  readonly action: TopologyChangeRow["action"];
};

/** The last changes of the topology, which are read only when somebody asks. */
export class TopologyHistory {
  readonly #database: Kysely<Tables>;
  readonly #patience: Patience;

  constructor(database: Kysely<Tables>, patience: Patience) {
    this.#database = database;
    this.#patience = patience;
  }

  /** All that are kept, the newest first. */
  async list(): Promise<readonly TopologyHistoryEntry[]> {
    const rows = await this.#patience.until(() =>
      this.#database
        .selectFrom("topology_changes")
        .select(["number", "at_ms", "who", "action", "summary_json"])
        .orderBy("number", "desc")
        .execute(),
    );
    return rows.map(({ number, at_ms, who, action, summary_json }) => ({
      ...{ number, atMs: at_ms, who, action: action as TopologyChangeRow["action"] },
      summary: JSON.parse(summary_json) as TopologySummary,
    }));
  }

  /** The topology before a change; `undefined` where there is no such change. */
  async before(number: number): Promise<OfficesState | undefined> {
    const row = await this.#patience.until(() =>
      this.#database
        .selectFrom("topology_changes")
        .select("before_json")
        .where("number", "=", number)
        .executeTakeFirst(),
    );
    return row === undefined ? undefined : (JSON.parse(row.before_json) as OfficesState);
  }
}
