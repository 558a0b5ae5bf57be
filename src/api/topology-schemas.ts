import { type Static, Type } from "typebox";
import { AtMs, Count, DeviceIdText, TopologyFinding } from "./common.ts";
import { exact } from "./route.ts";

/** One field of an office that differs. */
const FieldChangeView = exact({
  field: Type.String(),
  before: Type.String(),
  after: Type.String(),
});

/** A device that is in another office afterwards. */
const MoveView = exact({
  deviceId: DeviceIdText,
  hostName: Type.String(),
  from: Type.String(),
  to: Type.String(),
});

/** What a change of the topology comes to. */
export const TopologyChangeView = exact({
  /** What is worth a look in the new topology. */
  findings: Type.Array(TopologyFinding),
  added: Type.Array(Type.String()),
  removed: Type.Array(Type.String()),
  changed: Type.Array(exact({ office: Type.String(), fields: Type.Array(FieldChangeView) })),
  moves: Type.Array(MoveView),
});

/** One change of the topology that was made. */
export const TopologyChangeEntry = exact({
  number: Count,
  atMs: AtMs,
  who: Type.String(),
  action: Type.Union([Type.Literal("import"), Type.Literal("undo")]),
  added: Count,
  removed: Count,
  changed: Count,
  moved: Count,
});

/** A device that no office claims. */
export const OutsideView = exact({
  deviceId: DeviceIdText,
  hostName: Type.String(),
  /** The address under which the server hears it. */
  seenHost: Type.String(),
  /** Its addresses, the best first. */
  hosts: Type.Array(Type.String()),
  present: Type.Boolean(),
});

export type TopologyChangeView = Static<typeof TopologyChangeView>;
export type TopologyChangeEntry = Static<typeof TopologyChangeEntry>;
export type OutsideView = Static<typeof OutsideView>;
