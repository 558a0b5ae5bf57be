import type { OfficeDetails } from "./office-details.ts";
import type { Subnet } from "./prefix.ts";

/** What kind of office it is (row B6). */
export type OfficeType = "default" | "vpn" | "wifi";

/** An office as somebody entered it. */
export type OfficeSpec = OfficeDetails & {
  readonly name: string;
  /** Absent for the Central Office alone. */
  readonly parent?: string;
  readonly type: string;
  /** CIDRs or ranges. */
  readonly subnets: readonly string[];
  /** An IANA time zone, as `Europe/Berlin`; absent: that of the office above. */
  readonly timeZone?: string;
  /** Where it stands in what somebody wrote; absent: its place in the list, from 1. */
  readonly row?: number;
};

/** An office of a sound topology. */
export type Office = OfficeDetails & {
  readonly name: string;
  readonly parent?: string;
  readonly type: OfficeType;
  readonly subnets: readonly Subnet[];
  readonly timeZone?: string;
  /** Names, in the order of entry. */
  readonly children: readonly string[];
};

/** Something that is wrong (`error`), or worth a look (`warning`), in what was entered. */
export type Finding = {
  readonly severity: "error" | "warning";
  /** Stable, for scripts. */
  readonly code: string;
  /** Empty where the finding is about the whole. */
  readonly office: string;
  /** Row of the office in what was entered, from 1; 0 where the finding is about the whole. */
  readonly row: number;
  /** What is wrong and how to mend it. */
  readonly sentence: string;
};
