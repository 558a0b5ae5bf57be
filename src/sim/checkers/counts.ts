import { Bitset } from "../../base/bitset.ts";
import type { ContentId } from "../../base/ids.ts";
import type { SimDevice } from "../device.ts";
import type { Checker, CheckerParts } from "./checker.ts";

/**
 * A device counts as held only what its store has verified and kept: what it says of itself, and so
 * offers to others, is in its store. What the store has let go of takes a moment to reach the brain,
 * so only what is wrong at two looks in a row is wrong.
 */
export function counts({ scene, violate }: CheckerParts): Checker {
  const name = "counts";
  let suspects = new Set<string>();
  return {
    name,
    onLook: () => {
      const found = new Set<string>();
      for (const device of scene.devices) {
        for (const { contentId, piecesHeld } of device.status()?.contents ?? []) {
          const kept = keptOf(device, contentId);
          if (piecesHeld <= kept) continue;
          const sentence = `${device.host} counts ${piecesHeld} pieces of ${contentId} as held`;
          if (suspects.has(sentence)) violate(name, `${sentence}, and its store has ${kept}`);
          found.add(sentence);
        }
      }
      suspects = found;
    },
  };
}

function keptOf(device: SimDevice, contentId: ContentId): number {
  const held = device.store.held().find((one) => one.contentId === contentId);
  if (held === undefined) return 0;
  return Bitset.fromBytes(8 * held.pieces.length, held.pieces)?.count ?? 0;
}
