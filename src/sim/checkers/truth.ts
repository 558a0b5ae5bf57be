import { equalBytes } from "../../base/bytes.ts";
import type { ContentId } from "../../base/ids.ts";
import type { SimDevice } from "../device.ts";
import type { Checker, CheckerParts } from "./checker.ts";

/**
 * Nothing unverified is served, handed over or counted complete: what is in the store of a device,
 * and what leaves it, is what the publisher made, to the last bit.
 */
export function truth({ scene, violate }: CheckerParts): Checker {
  const name = "truth";
  // Nothing changes what lies in a store: it is another array then.
  const right = new WeakMap<Uint8Array, Uint8Array>();
  const pieceOf = (contentId: ContentId, piece: number): Uint8Array | undefined =>
    scene.packages.find((one) => one.contentId === contentId)?.pieces[piece];
  const isRight = (device: SimDevice, contentId: ContentId, piece: number): boolean => {
    const made = pieceOf(contentId, piece);
    const held = device.store.bytesOf(contentId, piece);
    if (made === undefined || held === undefined) return false;
    if (right.get(held) === made) return true;
    if (!equalBytes(made, held)) return false;
    right.set(held, made);
    scene.mended(device, contentId, piece);
    return true;
  };
  const check = (device: SimDevice, contentId: ContentId, piece: number, what: string): void => {
    if (isRight(device, contentId, piece) || scene.isRotten(device, contentId, piece)) return;
    violate(name, `${device.host} ${what} piece ${piece} of ${contentId}, which is not right`);
  };
  return {
    name,
    onTold: (device, input) => {
      if (input.kind === "piece-stored") {
        check(device, input.contentId, input.piece, "holds");
      }
      if (input.kind !== "content-finished") return;
      const made = scene.packages.find(({ contentId }) => contentId === input.contentId);
      for (const piece of made?.pieces.keys() ?? []) {
        check(device, input.contentId, piece, "hands over");
      }
    },
    onSent: (device, _to, { contentId, target, piece, offsetBytes, data }) => {
      if (scene.liars.has(device)) return;
      const simPackage = scene.packages.find((one) => one.contentId === contentId);
      const made = target === "manifest" ? simPackage?.signed : simPackage?.pieces[piece];
      const part = made?.subarray(offsetBytes, offsetBytes + data.length);
      if (part !== undefined && equalBytes(part, data)) return;
      if (target === "piece" && scene.isRotten(device, contentId, piece)) return;
      violate(name, `${device.host} serves ${target} ${piece} of ${contentId}, not as it was made`);
    },
    onEnd: () => {
      for (const device of scene.devices) {
        for (const { contentId, finished } of device.store.held()) {
          if (!finished) continue;
          const made = scene.packages.find((one) => one.contentId === contentId);
          for (const piece of made?.pieces.keys() ?? []) check(device, contentId, piece, "has");
        }
      }
    },
  };
}
