/** One formatter for each zone: making one takes longer than all that it is asked. */
const FORMATS = new Map<string, Intl.DateTimeFormat | undefined>();

/** More zones than there are are not kept. */
const FORMATS_MAX = 1_024;

/**
 * By how many milliseconds the clocks of a time zone are ahead of UTC at a moment; `undefined` where
 * there is no such zone. Zones are those of the IANA database that comes with Node.
 */
export function zoneOffsetMs(zone: string, atMs: number): number | undefined {
  const format = formatOf(zone);
  if (format === undefined) return undefined;
  const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
  const part = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0;
  const local = Date.UTC(
    ...([part("year"), part("month") - 1, part("day")] as const),
    ...([part("hour"), part("minute"), part("second")] as const),
  );
  return local - Math.floor(atMs / 1_000) * 1_000;
}

function formatOf(zone: string): Intl.DateTimeFormat | undefined {
  if (FORMATS.has(zone)) return FORMATS.get(zone);
  let format: Intl.DateTimeFormat | undefined;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      calendar: "iso8601",
      hourCycle: "h23",
      ...{ year: "numeric", month: "numeric", day: "numeric" },
      ...{ hour: "numeric", minute: "numeric", second: "numeric" },
    });
  } catch {
    // There is no such zone.
  }
  if (FORMATS.size >= FORMATS_MAX) FORMATS.clear();
  FORMATS.set(zone, format);
  return format;
}
