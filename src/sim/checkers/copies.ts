import type { ContentId } from "../../base/ids.ts";
import type { Scene } from "../scene.ts";
import type { Checker, CheckerParts } from "./checker.ts";

/** Byte counts of pieces by the office into which a line leads, by content and piece. */
type Carried = Map<string, Map<ContentId, number[]>>;

/**
 * What crosses each line is at most one copy of each piece.
 *
 * Exactly so without faults: one for an office whose devices share and one of which is to have the
 * content, one for each device where they do not share, and what its child offices fetch where
 * nobody in the office is to have it. With faults at most once more for each fault at an office at
 * either end of the line or below it: whoever fetched may be gone with what was under way, which is
 * up to 4 MiB for each of those it asked (SW11), so more than any of these packages. What a device
 * fetches that lies is not counted: nobody can keep it from asking for what it has.
 */
export function copies(parts: CheckerParts): Checker & { readonly carried: Carried } {
  const { scene, violate } = parts;
  const name = "copies";
  const carried: Carried = new Map();
  const blows = new Map<string, number>();
  let everywhere = 0;
  return {
    name,
    carried,
    onBlow: (offices) => {
      if (offices === "all") everywhere += 1;
      else for (const office of offices) blows.set(office, (blows.get(office) ?? 0) + 1);
    },
    onReceived: (device, from, { contentId, target, piece, data }) => {
      const sender = scene.deviceOf(from);
      if (target !== "piece" || sender === undefined || scene.liars.has(device)) return;
      const { ways } = scene.organisation;
      const above = ways.pathUp(scene.officeOf(sender));
      for (const office of ways.pathUp(scene.officeOf(device))) {
        if (above.includes(office)) break;
        const made = scene.packages.find((one) => one.contentId === contentId);
        const bytes = countedOf(carried, office, contentId);
        bytes[piece] = (bytes[piece] ?? 0) + data.length;
        const length = made?.pieces[piece]?.length ?? 0;
        const faults = everywhere + around(scene, office, blows);
        const most = Math.max(1, copiesMax(scene, office, contentId)) * (1 + faults);
        if (bytes[piece] <= most * length) continue;
        const much = `${bytes[piece]} bytes of piece ${piece}, which has ${length}`;
        violate(name, `over the line of ${office} go ${much}, with ${faults} faults`);
      }
    },
  };
}

function countedOf(carried: Carried, office: string, contentId: ContentId): number[] {
  const contents = carried.get(office) ?? new Map<ContentId, number[]>();
  carried.set(office, contents);
  const bytes = contents.get(contentId) ?? [];
  contents.set(contentId, bytes);
  return bytes;
}

/** Faults at an office, above it and below it. */
function around(scene: Scene, office: string, blows: ReadonlyMap<string, number>): number {
  const { ways } = scene.organisation;
  let sum = 0;
  for (const [struck, count] of blows) {
    const concerns = ways.pathUp(office).includes(struck) || ways.pathUp(struck).includes(office);
    if (concerns) sum += count;
  }
  return sum;
}

/** How many copies an office and those below it fetch by themselves. */
function copiesMax(scene: Scene, office: string, contentId: ContentId): number {
  const type = scene.offices.find(({ name }) => name === office)?.type ?? "default";
  const wanting = scene.devices.filter(
    (device) => scene.officeOf(device) === office && isWanted(scene, contentId, device),
  ).length;
  // An administrator may have had an office share no longer, and share again.
  const shares = type !== "vpn" && !Number.isFinite(scene.replacedAtUs);
  if (shares && wanting > 0) return 1;
  const below = scene.offices.filter(
    ({ name }) => scene.organisation.ways.parentOf(name) === office,
  );
  return below.reduce((sum, { name }) => sum + copiesMax(scene, name, contentId), wanting);
}

function isWanted(
  scene: Scene,
  contentId: ContentId,
  device: { readonly host: string; readonly deviceId: string },
): boolean {
  const office = scene.officeOfHost(device.host);
  return scene.orders.some(
    ({ contentId: ordered, targets }) =>
      ordered === contentId &&
      (targets.all === true ||
        targets.offices?.includes(office) === true ||
        targets.devices?.includes(device.deviceId) === true),
  );
}
