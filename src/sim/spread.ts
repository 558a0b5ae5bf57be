import { err, ok, type Result } from "../base/result.ts";
import { roomsFor } from "./addresses.ts";

/** An office that is to have devices: so many, or its share of those that are left. */
export type SpreadOffice = {
  readonly name: string;
  readonly subnets: readonly string[];
  readonly devices?: number;
};

/** Why devices cannot be spread. */
export type SpreadProblem =
  /** More devices are fixed than there are in all, or fewer and no office takes the others. */
  | { readonly kind: "sum"; readonly fixed: number }
  /** An office has fewer addresses than devices. */
  | {
      readonly kind: "office";
      readonly office: string;
      readonly devices: number;
      readonly room: number;
    }
  /** All offices together have fewer. */
  | { readonly kind: "room"; readonly room: number };

/** A subnet counts like one of this many devices, however wide it is: most are far from full. */
const SUBNET_DEVICES = 254;

/**
 * How many devices each office has. What is not fixed is spread over the other offices by the
 * addresses that they have for devices, of each subnet at most {@link SUBNET_DEVICES}; each
 * gets one where there are enough.
 *
 * @param offices - Of a sound topology; the first is the Central Office.
 */
export function spreadDevices(
  offices: readonly SpreadOffice[],
  total: number,
): Result<readonly number[], SpreadProblem> {
  const rooms = roomsFor(offices.map(({ subnets }) => subnets));
  const fixed = offices.reduce((sum, { devices = 0 }) => sum + devices, 0);
  const counts = offices.map(({ devices = 0 }) => devices);
  for (const [index, { name, devices = 0 }] of offices.entries()) {
    const room = rooms[index] ?? 0;
    if (devices > room) return err({ kind: "office", office: name, devices, room });
  }
  const open = offices.flatMap(({ devices, subnets }, index) => {
    const room = rooms[index] ?? 0;
    const weight = Math.min(room, SUBNET_DEVICES * subnets.length);
    return devices === undefined && room > 0 ? [{ index, room, weight }] : [];
  });
  if (fixed > total || (fixed < total && open.length === 0)) return err({ kind: "sum", fixed });
  let left = total - fixed;
  const room = open.reduce((sum, one) => sum + one.room, 0);
  if (left > room) return err({ kind: "room", room: room + fixed });
  for (const { index } of open.slice(0, left)) counts[index] = 1;
  left -= Math.min(left, open.length);
  share(counts, open, left);
  return ok(counts);
}

type Open = { readonly index: number; readonly room: number; readonly weight: number };

/** Shares out by weight; what is beyond an office's room goes to those that have more. */
function share(counts: number[], open: readonly Open[], wanted: number): void {
  let left = wanted;
  let takers = open.filter(({ index, room }) => (counts[index] ?? 0) < room);
  while (left > 0 && takers.length > 0) {
    const weights = takers.reduce((sum, { weight }) => sum + weight, 0);
    const round = left;
    let owed = 0;
    for (const { index, room, weight } of takers) {
      // What is lost by rounding is carried over to the next, so that all is given out.
      owed += (round * weight) / weights;
      const given = Math.min(room - (counts[index] ?? 0), Math.round(owed), left);
      counts[index] = (counts[index] ?? 0) + given;
      owed -= Math.round(owed);
      left -= given;
    }
    takers = takers.filter(({ index, room }) => (counts[index] ?? 0) < room);
  }
}
