import { decodeMessage } from "../../wire/messages.ts";
import type { SimDevice } from "../device.ts";
import type { Checker, CheckerParts } from "./checker.ts";

/** Who is to take no part asks no other device for anything, and sends none anything (PF4). */
export function solitude({ scene, violate }: CheckerParts): Checker {
  const name = "solitude";
  const check = (device: SimDevice, does: string): void => {
    if (scene.liars.has(device) || !isAlone(device)) return;
    violate(name, `${device.host} ${does}, and is to take no part`);
  };
  return {
    name,
    onAsked: (device, contentId) => check(device, `asks for ${contentId.slice(0, 8)}`),
    onSent: (device, _to, { contentId }) => check(device, `sends of ${contentId.slice(0, 8)}`),
  };
}

/** What a device has remembered is what it obeys. */
function isAlone(device: SimDevice): boolean {
  const bytes = device.store.remembered.get("profile");
  const word = bytes && decodeMessage(bytes);
  const mode = word?.kind === "profile" ? word.values.mode?.value : undefined;
  return mode === "local" || mode === "disabled";
}
