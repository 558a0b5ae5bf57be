import { MS } from "../../base/units.ts";
import type { PeerInput } from "../../peer/contract.ts";
import { blowTo, type Fault, pick, victim } from "./fault.ts";

/** A disk without room. */
export const fullDisk: Fault = {
  kind: "full-disk",
  strike: (scene) => {
    const device = victim(scene);
    if (device === undefined) return undefined;
    device.store.full = true;
    const heal = (): void => {
      device.store.full = false;
    };
    return blowTo(scene, device, { sentence: "has no room on its disk", heal });
  },
};

/** A disk that takes its time. */
export const slowDisk: Fault = {
  kind: "slow-disk",
  strike: (scene) => {
    const device = victim(scene);
    if (device === undefined) return undefined;
    const before = device.diskUs;
    device.diskUs = (20 + scene.prng.below(800)) * MS;
    const heal = (): void => {
      device.diskUs = before;
    };
    return blowTo(scene, device, { sentence: `has a disk that takes ${device.diskUs} us`, heal });
  },
};

/** Bits of pieces that are held turn over; nobody notices until they are read. */
export const rot: Fault = {
  kind: "rot",
  strike: (scene) => {
    const { prng, packages } = scene;
    const simPackage = pick(prng, packages);
    if (simPackage === undefined) return undefined;
    const { contentId, pieces } = simPackage;
    // Of what nobody else has nothing could be mended.
    const device = victim(
      scene,
      (one) => one !== scene.publisher && one.store.bytesOf(contentId, 0) !== undefined,
    );
    if (device === undefined) return undefined;
    let rotten = 0;
    for (let turn = 0; turn < 1 + prng.below(6); turn += 1) {
      const piece = prng.below(pieces.length);
      if (device.store.bytesOf(contentId, piece) === undefined) continue;
      device.store.rot(contentId, piece);
      scene.rots(device, contentId, piece);
      rotten += 1;
    }
    const sentence = `${device.host} has ${rotten} pieces that rot`;
    return { sentence, offices: [scene.officeOf(device)] };
  },
};

/** A disk that answers nothing, and everything later. */
export const hungDisk: Fault = {
  kind: "hung-disk",
  strike: (scene) => {
    const device = victim(scene);
    if (device === undefined) return undefined;
    const waiting: PeerInput[] = [];
    device.onInput = (input) => {
      if (!FROM_DISK.has(input.kind)) return input;
      waiting.push(input);
      return undefined;
    };
    const heal = (): void => {
      device.onInput = (input) => input;
      for (const input of waiting.splice(0)) device.tell(input);
    };
    return blowTo(scene, device, { sentence: "has a disk that hangs", heal });
  },
};

const FROM_DISK: ReadonlySet<PeerInput["kind"]> = new Set([
  "content-created",
  "content-refused",
  "piece-stored",
  "piece-rejected",
  "piece-read",
  "content-finished",
  "content-unfinished",
  "piece-rechecked",
]);
