import type {
  DeviceProfileView,
  PortMapView,
  ProfileInForceView,
  ProfileKeyWord,
  ProfileTargetsView,
  ProfileValuesView,
} from "../api/profile-schemas.ts";
import { textTable } from "./text-table.ts";

/** What the values of profiles are called, in the order in which they are shown. */
export const PROFILE_VALUE_NAMES: Readonly<Record<ProfileKeyWord, string>> = {
  mode: "Mode",
  maxAgeDays: "Maximum age",
  diskPercent: "Share of the disk",
  minFreeMib: "Left free",
  hostedCaches: "Hosted caches",
  ports: "Ports",
  preferred: "Preferred as RVP",
};

const KEYS = Object.keys(PROFILE_VALUE_NAMES) as ProfileKeyWord[];

/** A value of a profile for a person; a dash where it is unset. */
export function profileValueText(values: ProfileValuesView, key: ProfileKeyWord): string {
  const { mode, maxAgeDays, diskPercent, minFreeMib, hostedCaches, ports, preferred } = values;
  const texts: Readonly<Record<ProfileKeyWord, string | undefined>> = {
    mode: mode === undefined ? undefined : mode.charAt(0).toUpperCase() + mode.slice(1),
    maxAgeDays: maxAgeDays === undefined ? undefined : ageText(maxAgeDays),
    diskPercent: diskPercent === undefined ? undefined : `${diskPercent} %`,
    minFreeMib: minFreeMib === undefined ? undefined : `${minFreeMib} MiB`,
    hostedCaches: hostedCaches?.join(", "),
    ports: ports === undefined ? undefined : portsText(ports),
    preferred: preferred === undefined ? undefined : preferred ? "yes" : "no",
  };
  return texts[key] ?? "-";
}

/** Everything that a profile sets, in a few words. */
export function profileSummary(values: ProfileValuesView): string {
  const set = KEYS.filter((key) => values[key] !== undefined);
  if (set.length === 0) return "nothing";
  return set
    .map((key) => `${PROFILE_VALUE_NAMES[key].toLowerCase()} ${profileValueText(values, key)}`)
    .join("; ");
}

/** Everything that a profile sets, as a table. */
export function profileValuesTable(values: ProfileValuesView): string {
  return textTable(KEYS.map((key) => [PROFILE_VALUE_NAMES[key], profileValueText(values, key)]));
}

/** For whom a profile is, for a person. */
export function profileTargetsText({ devices, groups, offices }: ProfileTargetsView): string {
  const parts = [
    ...offices.map((name) => `office "${name}"`),
    ...groups.map((name) => `group "${name}"`),
    ...devices.map((deviceId) => `device ${deviceId}`),
  ];
  return parts.length === 0 ? "nowhere" : parts.join(", ");
}

/** What is in force on a device, who set it, and whether the device has taken it. */
export function deviceProfileText(profile: DeviceProfileView): string {
  const { wanted, reported, pending, problems } = profile;
  const heading = ["Value", "Meant to be", "Set by", "On the device"];
  const rows = KEYS.map((key) => [
    PROFILE_VALUE_NAMES[key],
    wanted[key] === undefined ? "-" : valueText(wanted, key),
    wanted[key]?.profile === undefined ? "-" : `profile "${wanted[key].profile}"`,
    reportedText(profile, key),
  ]);
  const lines = [textTable([heading, ...rows])];
  if (reported === undefined) lines.push("The device has not said yet what is in force on it.");
  else if (pending.length > 0) lines.push("Pending: the device has not taken all of it yet.");
  return [...lines, ...problems].join("\n");
}

/** The values in force on a device as it says itself, with who set each. */
export function inForceTable(values: ProfileInForceView): string {
  const rows = KEYS.filter((key) => values[key] !== undefined).map((key) => [
    PROFILE_VALUE_NAMES[key],
    valueText(values, key),
    setterText(values[key]?.profile),
  ]);
  return textTable([["Value", "In force", "Set by"], ...rows]);
}

function reportedText({ reported, pending }: DeviceProfileView, key: ProfileKeyWord): string {
  if (reported === undefined) return "-";
  const there = reported[key];
  const text =
    there === undefined ? "-" : `${valueText(reported, key)} (${setterText(there.profile)})`;
  return pending.includes(key) ? `${text}, pending` : text;
}

function setterText(profile: string | undefined): string {
  return profile === undefined ? "the device itself" : `profile "${profile}"`;
}

function valueText(values: ProfileInForceView, key: ProfileKeyWord): string {
  return profileValueText({ [key]: values[key]?.value }, key);
}

function ageText(days: number): string {
  if (days === 0) return "for ever";
  return days === 1 ? "1 day" : `${days} days`;
}

function portsText({ single, offset, channels = [] }: PortMapView): string {
  if (single !== undefined) return `all on ${single}`;
  const table = offset === undefined || offset === 0 ? "the table" : `the table and ${offset}`;
  const moved = channels.map(({ channel, port }) => `${channel} on ${port}`);
  return [table, ...moved].join(", ");
}
