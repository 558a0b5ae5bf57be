import type { OfficeBound } from "./bounds.ts";
import type { SimDevice } from "./device.ts";
import type { Bottleneck, OfficeForecast } from "./forecast-types.ts";

/** What can be the slowest on the way to an office, as far as it is known. */
export type Suspects = {
  readonly bounds: ReadonlyMap<string, OfficeBound>;
  devicesOf(office: string): readonly SimDevice[];
  /** Bytes a second that a device sends; `Infinity` where nothing but lines is slow. */
  readonly lanRate: number;
};

/**
 * What is slowest on the way to the office that is done last: what takes longest by its bound, or the
 * port of one device that has sent for longer than that, because many have asked it.
 */
export function bottleneckOf(
  offices: readonly OfficeForecast[],
  suspects: Suspects,
): Bottleneck | undefined {
  let last: OfficeForecast | undefined;
  for (const office of offices) if ((office.lastS ?? 0) > (last?.lastS ?? 0)) last = office;
  const narrow = last && suspects.bounds.get(last.office)?.narrowest;
  if (last === undefined || narrow === undefined) return undefined;
  const port = busiestPort(pathUp(last, offices), suspects);
  const lastOffice = last.office;
  if (port !== undefined && port.seconds > narrow.seconds) {
    return { ...port, seconds: toMillionths(port.seconds), lastOffice };
  }
  if (narrow.seconds === 0) return undefined;
  const { link } = offices.find(({ office }) => office === narrow.office) ?? {};
  const line = narrow.kind === "line" && link !== undefined ? link : undefined;
  return {
    kind: narrow.kind,
    office: narrow.office,
    seconds: toMillionths(narrow.seconds),
    lastOffice,
    ...(line === undefined ? {} : { busyShare: line.busyShare }),
  };
}

/** The device of some offices that has sent most, and how long that takes its port. */
function busiestPort(offices: readonly string[], { devicesOf, lanRate }: Suspects) {
  let busiest: { kind: "port"; office: string; hostName: string; seconds: number } | undefined;
  for (const office of offices) {
    for (const device of devicesOf(office)) {
      const contents = device.status()?.contents ?? [];
      const bytes = contents.reduce((sum, one) => sum + one.wanOutBytes + one.lanOutBytes, 0);
      const seconds = bytes / lanRate;
      if (seconds <= (busiest?.seconds ?? 0)) continue;
      busiest = { kind: "port", office, hostName: device.hostName, seconds };
    }
  }
  return busiest;
}

function pathUp(office: OfficeForecast, offices: readonly OfficeForecast[]): readonly string[] {
  const byName = new Map(offices.map((one) => [one.office, one]));
  const path: string[] = [];
  for (let at: OfficeForecast | undefined = office; at !== undefined; ) {
    path.push(at.office);
    at = at.parent === undefined ? undefined : byName.get(at.parent);
  }
  return path;
}

/** A sum of fractions has more digits than it means. */
export function toMillionths(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
