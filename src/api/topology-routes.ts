import { Type } from "typebox";
import { exact, route } from "./route.ts";
import { OfficesInput } from "./server-schemas.ts";
import { OutsideView, TopologyChangeEntry, TopologyChangeView } from "./topology-schemas.ts";

/** What the API says of the topology besides the offices themselves: previews, history, strays. */
export const TOPOLOGY_ROUTES = {
  previewOffices: route({
    method: "POST",
    path: "/api/v1/topology/preview",
    summary: "Says what replacing the topology would come to, and changes nothing.",
    body: OfficesInput,
    bodyBytesMax: 16 * 1024 * 1024,
    status: 200,
    response: TopologyChangeView,
  }),
  listOutside: route({
    method: "GET",
    path: "/api/v1/topology/outside",
    summary: "The devices that no office claims.",
    status: 200,
    response: exact({ devices: Type.Array(OutsideView) }),
  }),
  listTopologyChanges: route({
    method: "GET",
    path: "/api/v1/topology/changes",
    summary: "The last 50 changes of the topology, the newest first.",
    status: 200,
    response: exact({ changes: Type.Array(TopologyChangeEntry) }),
  }),
  undoTopologyChange: route({
    method: "POST",
    path: "/api/v1/topology/changes/:number/undo",
    summary: "Puts the topology in force that was before a change; this is a change itself.",
    params: exact({ number: Type.String({ pattern: "^[0-9]{1,15}$" }) }),
    once: "kept",
    status: 200,
    response: TopologyChangeView,
  }),
} as const;
