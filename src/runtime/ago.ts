import { SECOND } from "../base/units.ts";

/** Nothing that is read now was noted longer ago than this. */
const AGO_US_MAX = 2 * SECOND;

/**
 * How long ago something was noted, in microseconds; 0 where that is not known, or cannot be:
 * somebody has set the clock since, or it was another clock.
 */
export function ago(nowUs: number, stampUs: number | undefined): number {
  const agoUs = stampUs === undefined ? 0 : nowUs - stampUs;
  return agoUs >= 0 && agoUs < AGO_US_MAX ? agoUs : 0;
}
