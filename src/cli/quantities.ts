import { GIB, KIB, MIB } from "../base/units.ts";

/** The units of a size, and how many bytes each has. */
export const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: KIB,
  MiB: MIB,
  GiB: GIB,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
};

/** Reads a number with one of these units behind it (`256MiB`); `undefined` where it is none. */
export function readQuantity(
  text: string,
  units: Readonly<Record<string, number>>,
): number | undefined {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim()) ?? [];
  const factor = units[unit];
  if (digits === undefined || factor === undefined) return undefined;
  return Math.round(Number(digits) * factor);
}
