import type { DeviceRow } from "./state.ts";

/** What of a device a deployment may go by. */
export const ATTRIBUTES: readonly string[] = [
  "name",
  "version",
  "os",
  "os-release",
  "server-os",
  "arch",
  "chassis",
];

/** A device has, or has not, an attribute with a value like this. */
export type Condition = {
  readonly attribute: string;
  readonly isWanted: boolean;
  readonly isLike: (value: string) => boolean;
};

/** Reads `os=windows`, `name=lab-*` or `chassis!=laptop`; says what is wrong with anything else. */
export function parseCondition(text: string): Condition | { readonly problem: string } {
  const parts = /^\s*([a-z-]+)\s*(!?=)\s*(.{1,128}?)\s*$/i.exec(text);
  if (parts === null) {
    return { problem: `"${text}" is no condition: write it as os=windows or chassis!=laptop.` };
  }
  const [, name = "", sign, pattern = ""] = parts;
  const attribute = name.toLowerCase();
  if (!ATTRIBUTES.includes(attribute)) {
    const known = ATTRIBUTES.join(", ");
    return { problem: `"${name}" is no attribute of devices: use one of ${known}.` };
  }
  return { attribute, isWanted: sign === "=", isLike: likeness(pattern) };
}

/** Whether a device satisfies all conditions. What it has not said is empty. */
export function satisfies(device: DeviceRow, conditions: readonly Condition[]): boolean {
  return conditions.every(
    ({ attribute, isWanted, isLike }) => isLike(attributeOf(device, attribute)) === isWanted,
  );
}

function attributeOf(device: DeviceRow, attribute: string): string {
  if (attribute === "name") return device.hostName;
  if (attribute === "version") return device.productVersion;
  if (attribute === "server-os") return device.facts.serverOs ? "yes" : "no";
  return device.attributes.find(({ name }) => name === attribute)?.value ?? "";
}

/**
 * Whether a value is like a pattern, in which `*` stands for anything; case does not matter. Pieces
 * are looked for one after the other, because a pattern must not be able to take long.
 */
function likeness(pattern: string): (value: string) => boolean {
  const [head = "", ...rest] = pattern.toLowerCase().split("*");
  const tail = rest.pop();
  return (value) => {
    const text = value.toLowerCase();
    if (tail === undefined) return text === head;
    if (!text.startsWith(head)) return false;
    let at = head.length;
    for (const piece of rest) {
      const found = text.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return text.endsWith(tail) && text.length - tail.length >= at;
  };
}
