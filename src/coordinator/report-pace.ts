/** How often a device that fetches says how far it is, in milliseconds, unless it is told otherwise. */
export const REPORT_MS_MIN = 500;

/** The longest that a device may be told to wait between two reports. */
export const REPORT_MS_MAX = 60_000;

/** How many reports a second the server has time for beside everything else. */
export const REPORTS_PER_S = 2_500;

/** So much less than half of the devices must be there before they report twice as often again. */
const SLACK = 0.8;

/**
 * How long each of so many devices is to wait between two reports of progress, so that all of them
 * together make no more than the server has time for: a power of two times the least, because
 * whenever it changes everybody has to be told.
 *
 * @param beforeMs - What they were told last.
 */
export function reportPaceMs(devices: number, beforeMs: number): number {
  let paceMs = REPORT_MS_MIN;
  while (paceMs < REPORT_MS_MAX && exceeds(devices, paceMs)) paceMs = doubled(paceMs);
  if (paceMs >= beforeMs) return paceMs;
  // As many as are here by and by: a few that come and go are no reason to tell everybody.
  return exceeds(devices / SLACK, beforeMs / 2) ? beforeMs : paceMs;
}

function exceeds(devices: number, paceMs: number): boolean {
  return (1_000 * devices) / paceMs > REPORTS_PER_S;
}

function doubled(paceMs: number): number {
  return Math.min(REPORT_MS_MAX, 2 * paceMs);
}
