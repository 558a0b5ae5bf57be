import type { ContentId } from "../../base/ids.ts";
import type { SimDevice } from "../device.ts";
import type { Checker, CheckerParts } from "./checker.ts";
import type { copies } from "./copies.ts";

/** What has come to a device of one content, from other offices and from its own. */
type Came = { wanBytes: number; lanBytes: number };

const NOTHING: Came = { wanBytes: 0, lanBytes: 0 };

/**
 * What is counted is what was carried: each device counts the bytes that reached it, and, where
 * nothing went wrong, the server charges to each line what crossed it.
 */
export function ledger(
  { scene, violate }: CheckerParts,
  { carried }: Pick<ReturnType<typeof copies>, "carried">,
): Checker {
  const name = "ledger";
  const received = new Map<SimDevice, Map<ContentId, Came>>();
  let calm = true;
  return {
    name,
    onBlow: () => {
      calm = false;
    },
    onStart: (device) => {
      received.delete(device);
    },
    onReceived: (device, from, { contentId, target, data }) => {
      const sender = scene.deviceOf(from);
      if (target !== "piece" || sender === undefined) return;
      const own = received.get(device) ?? new Map<ContentId, Came>();
      received.set(device, own);
      const came = own.get(contentId) ?? { wanBytes: 0, lanBytes: 0 };
      own.set(contentId, came);
      if (scene.officeOf(sender) === scene.officeOf(device)) came.lanBytes += data.length;
      else came.wanBytes += data.length;
    },
    onLook: () => {
      for (const device of scene.devices) {
        for (const content of device.status()?.contents ?? []) {
          const came = received.get(device)?.get(content.contentId) ?? NOTHING;
          const wrong = calm ? calmProblem(content, came) : problem(content, came);
          if (wrong !== undefined) violate(name, `${device.host} ${wrong}`);
        }
      }
    },
    onEnd: () => {
      if (!calm) return;
      const { coordinator } = scene.organisation.server;
      for (const { name: office } of scene.offices.slice(1)) {
        for (const { contentId } of scene.packages) {
          const bytes = carried.get(office)?.get(contentId) ?? [];
          const crossed = bytes.reduce((sum, part) => sum + (part ?? 0), 0);
          const rows = coordinator.ledger(contentId).filter((row) => row.office === office);
          const charged = rows.reduce((sum, row) => sum + row.wanBytes, 0);
          if (charged === crossed) continue;
          violate(name, `${office} is charged ${charged} bytes, and ${crossed} crossed its line`);
        }
      }
    },
  };
}

type Counted = { readonly wanInBytes: number; readonly lanInBytes: number };

/** What is wrong where nothing has gone wrong: then each byte counts, and as what it is. */
function calmProblem(counted: Counted, came: Came): string | undefined {
  if (counted.wanInBytes !== came.wanBytes) {
    return `counts ${counted.wanInBytes} bytes over lines, and ${came.wanBytes} have come`;
  }
  if (counted.lanInBytes === came.lanBytes) return undefined;
  return `counts ${counted.lanInBytes} bytes of its LAN, and ${came.lanBytes} have come`;
}

/** Otherwise what was taken back meanwhile comes and is not counted. */
function problem({ wanInBytes, lanInBytes }: Counted, came: Came): string | undefined {
  const [counted, all] = [wanInBytes + lanInBytes, came.wanBytes + came.lanBytes];
  return counted <= all ? undefined : `counts ${counted} bytes, and ${all} have come`;
}
