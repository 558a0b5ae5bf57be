import type { DeviceId } from "../base/ids.ts";
import type { ProfileInForce, ProfileValues } from "../wire/profile.ts";

/** For whom a profile is: an office stands for all offices below it as well. */
export type ProfileTargets = {
  readonly groups: readonly string[];
  readonly offices: readonly string[];
  readonly devices: readonly string[];
};

/** A named set of values for devices (row A1). Times are milliseconds since 1970. */
export type ProfileRow = {
  readonly name: string;
  /** Of profiles that reach a device in the same way the lower order wins, then the lesser name. */
  readonly order: number;
  readonly values: ProfileValues;
  /** Where it is published; nowhere at first. */
  readonly targets: ProfileTargets;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
};

/** Which values a device said last were in force on it. */
export type ProfileReportRow = {
  readonly deviceId: DeviceId;
  readonly values: ProfileInForce;
  /** What hinders it from taking others, as sentences. */
  readonly problems: readonly string[];
  readonly atMs: number;
};
