import type { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { TOPOLOGY_ROUTES } from "../../api/topology-routes.ts";
import type { TopologyChangeView } from "../../api/topology-schemas.ts";
import type { Answer } from "../../coordinator/contract.ts";
import { requireMatch } from "../../runtime/http/entity-tag.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import type { HttpHandlers } from "../../runtime/http/route.ts";
import { NO_OFFICE } from "../../topology/limits.ts";
import type { ServerApi } from "./handlers.ts";
import { refusal } from "./refusals.ts";
import { officeViews } from "./views.ts";

type Routes = typeof TOPOLOGY_ROUTES &
  Pick<typeof SERVER_ROUTES, "showTopology" | "replaceOffices">;

/** The operations on the topology as a whole. */
export function topologyHandlers(api: ServerApi): HttpHandlers<Routes> {
  const { coordinator, database } = api;
  return {
    showTopology: () => ({ offices: officeViews(coordinator) }),
    replaceOffices: async ({ body, ifMatch, caller }) => {
      requireMatch(ifMatch, () => ({ offices: officeViews(coordinator) }));
      const answer = await api.command({ kind: "replace-offices", offices: body.offices }, caller);
      if (answer.kind !== "offices-replaced") throw refusal(answer);
      return { offices: officeViews(coordinator), findings: [...answer.findings] };
    },
    previewOffices: async ({ body: { offices }, caller }) => {
      const command = { kind: "replace-offices", offices, dryRun: true } as const;
      return changeView(await api.command(command, caller));
    },
    listOutside: () => ({
      devices: coordinator
        .devices()
        .filter(({ office, retiredAtMs }) => office === NO_OFFICE && retiredAtMs === undefined)
        .map(({ deviceId, hostName, seenHost, hosts, present }) => ({
          ...{ deviceId, hostName, seenHost, hosts: [...hosts], present },
        })),
    }),
    listTopologyChanges: async () => ({
      changes: (await database.topologyHistory.list()).map(({ summary, ...entry }) => ({
        ...entry,
        ...summary,
      })),
    }),
    undoTopologyChange: async ({ params, caller }) => {
      const before = await database.topologyHistory.before(Number(params.number));
      if (before === undefined) {
        const detail = `There is no change ${params.number} of the topology: list them to see all.`;
        throw new RequestRefused(404, "topology-change-unknown", detail);
      }
      const offices = before.generated ? [] : before.offices;
      const command = { kind: "replace-offices", offices, action: "undo" } as const;
      return changeView(await api.command(command, caller));
    },
  };
}

function changeView(answer: Answer): TopologyChangeView {
  if (answer.kind !== "offices-replaced") throw refusal(answer);
  const { findings, difference, moves } = answer;
  return {
    findings: [...findings],
    added: [...difference.added],
    removed: [...difference.removed],
    changed: difference.changed.map(({ office, fields }) => ({ office, fields: [...fields] })),
    moves: [...moves],
  };
}
