/** Where bytes of pieces went between this device and others, for one content. */
export type Tally = {
  wanInBytes: number;
  lanInBytes: number;
  wanOutBytes: number;
  lanOutBytes: number;
  /** From the CDN or file storage. */
  originInBytes: number;
  /** Pieces that other contents in the own cache had already. */
  cacheInBytes: number;
  /** From a hosted cache. */
  hostedInBytes: number;
  /** What of `wanInBytes` came from offices above the parent office, by office. */
  readonly farInBytes: Map<string, number>;
};

/** From how many offices above the parent bytes are counted by office. */
export const FAR_OFFICES_MAX = 32;

/** A tally in which nothing has been counted. */
export function emptyTally(): Tally {
  return {
    wanInBytes: 0,
    lanInBytes: 0,
    wanOutBytes: 0,
    lanOutBytes: 0,
    originInBytes: 0,
    cacheInBytes: 0,
    hostedInBytes: 0,
    farInBytes: new Map(),
  };
}

/** Counts bytes of pieces that arrived from, or left for, another device. */
export function count(
  tally: Tally,
  bytes: number,
  way: {
    readonly direction: "in" | "out";
    readonly sameOffice: boolean;
    /** The office that they came from, where it lies above the parent office. */
    readonly farOffice?: string;
  },
): void {
  const place = way.sameOffice ? "lan" : "wan";
  const key = `${place}${way.direction === "in" ? "In" : "Out"}Bytes` as const;
  tally[key] += bytes;
  const { farInBytes } = tally;
  const { farOffice } = way;
  if (farOffice === undefined || way.direction === "out") return;
  if (farInBytes.size >= FAR_OFFICES_MAX && !farInBytes.has(farOffice)) return;
  farInBytes.set(farOffice, (farInBytes.get(farOffice) ?? 0) + bytes);
}
