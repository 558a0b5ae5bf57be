import type { ContentId } from "../../src/base/ids.ts";
import type { DeploymentStanding } from "../../src/coordinator/views.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import type { Organisation } from "../../src/sim/organisation.ts";

/** Bytes of pieces that came over the line, and from office mates. */
export type Counts = { readonly wanInBytes: number; readonly lanInBytes: number };

const NOTHING: Counts = { wanInBytes: 0, lanInBytes: 0 };

/**
 * What the devices of an office count over all their lives, and what of it the server hears: a
 * device counts from zero when it is switched on, and what it had not reported is lost.
 */
export class AloneCounts {
  readonly #organisation: Organisation;
  readonly #office: string;
  /** What devices counted in lives that are over, and what of it the server never heard. */
  readonly #past = new Map<ContentId, Counts>();
  readonly #lost = new Map<ContentId, Counts>();
  /** What the server had heard of a device and a content when the device's life began. */
  readonly #heardBefore = new Map<string, Counts>();

  constructor(organisation: Organisation, office: string) {
    this.#organisation = organisation;
    this.#office = office;
  }

  /** To be told before a device is switched off. */
  ends(device: SimDevice): void {
    for (const content of device.status()?.contents ?? []) {
      const { contentId } = content;
      const key = `${device.host} ${contentId}`;
      const heard = this.#heardOf(device, contentId);
      const reported = minus(heard, this.#heardBefore.get(key) ?? NOTHING);
      this.#heardBefore.set(key, heard);
      this.#past.set(contentId, plus(this.#past.get(contentId) ?? NOTHING, content));
      this.#lost.set(contentId, plus(this.lost(contentId), minus(content, reported)));
    }
  }

  /** What the office's devices have counted of a content, over all their lives. */
  counted(contentId: ContentId): Counts {
    const devices = this.#organisation.office(this.#office);
    const contents = devices.flatMap((device) => device.status()?.contents ?? []);
    const now = contents.filter((content) => content.contentId === contentId);
    return now.reduce(plus, this.#past.get(contentId) ?? NOTHING);
  }

  /** What devices had counted when they lost their power, and the server had not heard. */
  lost(contentId: ContentId): Counts {
    return this.#lost.get(contentId) ?? NOTHING;
  }

  /**
   * What the server says of a content otherwise than the devices, and who has not got it, a
   * sentence each.
   */
  differences(contentId: ContentId): readonly string[] {
    const standing = this.#standing(contentId);
    const devices = [...this.#organisation.devices.values()].flat();
    const found = devices.flatMap((device) => differencesOf(device, contentId, standing));
    const office = standing?.offices.find(({ office: name }) => name === this.#office);
    const known = minus(this.counted(contentId), this.lost(contentId));
    if (office?.wanBytes !== known.wanInBytes || office.lanBytes !== known.lanInBytes) {
      const charged = `${office?.wanBytes} and ${office?.lanBytes}`;
      found.push(`the ledger has ${charged}, not ${known.wanInBytes} and ${known.lanInBytes}`);
    }
    return found;
  }

  /** What the server has heard of a device, over all its lives. */
  #heardOf({ deviceId }: SimDevice, contentId: ContentId): Counts {
    const devices = this.#standing(contentId)?.devices ?? [];
    return devices.find((device) => device.deviceId === deviceId) ?? NOTHING;
  }

  #standing(contentId: ContentId): DeploymentStanding | undefined {
    const { coordinator } = this.#organisation.server;
    const deployment = coordinator.deployments().find((row) => row.contentId === contentId);
    return deployment && coordinator.deployment(deployment.deploymentId);
  }
}

function differencesOf(
  device: SimDevice,
  contentId: ContentId,
  standing: DeploymentStanding | undefined,
): string[] {
  const { host, deviceId } = device;
  const said = standing?.devices.find((other) => other.deviceId === deviceId);
  const own = device.status()?.contents.find((content) => content.contentId === contentId);
  const found: string[] = [];
  if (said?.present !== true) found.push(`${host} is not there`);
  if (own?.state !== "complete") found.push(`${host} is not done`);
  for (const what of ["state", "piecesHeld", "heldBytes"] as const) {
    if (said?.[what] === own?.[what]) continue;
    found.push(`${host}: ${what} is ${own?.[what]}, the server says ${said?.[what]}`);
  }
  return found;
}

/** The sum of two counts. */
export function plus(a: Counts, b: Counts): Counts {
  return { wanInBytes: a.wanInBytes + b.wanInBytes, lanInBytes: a.lanInBytes + b.lanInBytes };
}

function minus(a: Counts, b: Counts): Counts {
  return { wanInBytes: a.wanInBytes - b.wanInBytes, lanInBytes: a.lanInBytes - b.lanInBytes };
}
