import { PROFILE_KEYS, type ProfileInForce, type ProfileKey, sameValue } from "../wire/profile.ts";
import type { ProfileRow } from "./profile-rows.ts";

/** A profile in a form that is quick to ask whether it is for a device. */
export type PublishedProfile = {
  readonly row: ProfileRow;
  readonly devices: ReadonlySet<string>;
  readonly groups: readonly string[];
  readonly offices: ReadonlySet<string>;
};

/** Where a device stands. */
export type ProfilePlace = {
  readonly deviceId: string;
  /** Its office and those above it, the nearest first. */
  readonly offices: Iterable<string>;
  readonly isInGroup: (group: string) => boolean;
};

/** Nothing is said to a device. */
export const NOTHING_IN_FORCE: ProfileInForce = {};

/** Brings a profile into that form. */
export function published(row: ProfileRow): PublishedProfile {
  const { devices, groups, offices } = row.targets;
  return { row, devices: new Set(devices), groups, offices: new Set(offices) };
}

/** The order in which profiles are asked that reach a device in the same way. */
export function byOrder(a: ProfileRow, b: ProfileRow): number {
  return a.order - b.order || (a.name < b.name ? -1 : Number(a.name > b.name));
}

/**
 * The profiles that are for a device, the strongest first: those published to the device itself,
 * then those published to groups that it is in, then those of its office and of each office above.
 *
 * @param profiles - In the order of {@link byOrder}.
 */
export function rankedFor(
  profiles: readonly PublishedProfile[],
  place: ProfilePlace,
): readonly PublishedProfile[] {
  const ranked = new Set<PublishedProfile>();
  const take = (isMeant: (profile: PublishedProfile) => boolean): void => {
    for (const profile of profiles) if (isMeant(profile)) ranked.add(profile);
  };
  take(({ devices }) => devices.has(place.deviceId));
  take(({ groups }) => groups.some(place.isInGroup));
  for (const office of place.offices) take(({ offices }) => offices.has(office));
  return [...ranked];
}

/**
 * The values in force for a device, and which profile set each: of every value by itself the
 * strongest profile counts that sets it.
 *
 * @param profiles - In the order of {@link byOrder}.
 */
export function valuesInForce(
  profiles: readonly PublishedProfile[],
  place: ProfilePlace,
): ProfileInForce {
  if (profiles.length === 0) return NOTHING_IN_FORCE;
  const ranked = rankedFor(profiles, place);
  const found = PROFILE_KEYS.flatMap((key) => {
    const setter = ranked.find(({ row }) => row.values[key] !== undefined);
    if (setter === undefined) return [];
    return [[key, { value: setter.row.values[key], profile: setter.row.name }]];
  });
  return Object.fromEntries(found) as ProfileInForce;
}

/**
 * The names of the values that are otherwise on a device than they are meant to be.
 *
 * @param reported - What the device said last; absent where it never did.
 */
export function pendingOf(
  wanted: ProfileInForce,
  reported: ProfileInForce | undefined,
): readonly ProfileKey[] {
  return PROFILE_KEYS.filter((key) => {
    const [meant, there] = [wanted[key], reported?.[key]];
    // What no profile sets is the device's own affair.
    if (meant === undefined) return there?.profile !== undefined;
    return there?.profile !== meant.profile || !sameValue(there?.value, meant.value);
  });
}
