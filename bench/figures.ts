import type { Measured } from "./organisation/distribution.ts";
import type { Organisation } from "./organisation/organisation.ts";
import type { Stage } from "./stage.ts";

/** What crossed the link of an office. */
export type OfficeFigures = {
  readonly office: string;
  /** Bytes of IP packets into the office. */
  readonly wanIpBytes: number;
  /** The same over the size of the content. */
  readonly ipCopies: number;
  /** Bytes of pieces into the office over the size, as the product counts them. */
  readonly copies: number;
  /** Bytes of IP packets out of the office. */
  readonly wanIpBytesOut: number;
  /** Packets for which the queue of the link had no room, on the way in and out. */
  readonly drops: number;
};

/** What crossed each link, in the order of the offices. */
export function officeFigures(
  organisation: Organisation,
  measured: Measured,
  sizeBytes: number,
): readonly OfficeFigures[] {
  return organisation.network.links.flatMap(({ office }) => {
    const traffic = measured.links.get(office);
    if (traffic === undefined) return [];
    return {
      office,
      wanIpBytes: traffic.into.ipBytes,
      ipCopies: digits(traffic.into.ipBytes / sizeBytes, 4),
      copies: digits(measured.copies.get(office) ?? 0, 4),
      wanIpBytesOut: traffic.outOf.ipBytes,
      drops: traffic.into.drops + traffic.outOf.drops,
    };
  });
}

/** What a distribution used of this machine. */
export function useFigures(stage: Stage, measured: Measured): object {
  return {
    deliveredSeconds: digits(measured.deliveredSeconds, 2),
    cpuSeconds: digits(measured.cpuSeconds, 1),
    serverCpuSeconds: digits(measured.serverCpuSeconds, 1),
    benchCpuSeconds: digits(measured.benchCpuSeconds, 1),
    processorsBusy: digits(measured.processorsBusy, 2),
    peakRssBytes: measured.peakRssBytes,
    data: stage.inMemory ? "memory" : "disk",
  };
}

/** A number with at most so many digits behind the point. */
export function digits(value: number, count: number): number {
  return Number(value.toFixed(count));
}
