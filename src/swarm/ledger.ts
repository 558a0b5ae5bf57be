/** Where bytes of pieces went between this device and others, for one content. */
export type Tally = {
  wanInBytes: number;
  lanInBytes: number;
  wanOutBytes: number;
  lanOutBytes: number;
};

/** A tally in which nothing has been counted. */
export function emptyTally(): Tally {
  return { wanInBytes: 0, lanInBytes: 0, wanOutBytes: 0, lanOutBytes: 0 };
}

/** Counts bytes of pieces that arrived from, or left for, another device. */
export function count(
  tally: Tally,
  bytes: number,
  way: { readonly direction: "in" | "out"; readonly sameOffice: boolean },
): void {
  const place = way.sameOffice ? "lan" : "wan";
  const key = `${place}${way.direction === "in" ? "In" : "Out"}Bytes` as const;
  tally[key] += bytes;
}
