import type { CandidateFacts, Criterion } from "../topology/election.ts";
import type { OfficeType } from "../topology/office.ts";
import type { Narrow } from "./bounds.ts";
import type { Grain } from "./organisation.ts";
import type { Mishap } from "./storm.ts";

/**
 * Why a device fetches for its office: what it is better in than the next one; nobody else is there;
 * or it was chosen before better ones had come, and does its work.
 */
export type Reason = Criterion | "alone" | "incumbent";

/** Who fetches for an office, and why. */
export type RvpForecast = {
  readonly hostName: string;
  readonly host: string;
  readonly reason: Reason;
  readonly facts: CandidateFacts;
};

/** What crosses the line of an office towards it. */
export type LinkForecast = {
  readonly rateBitsPerS: number;
  readonly delayMs: number;
  /** `wanBytes` over the size of the package. */
  readonly copies: number;
  /** How many copies have to cross it. */
  readonly boundCopies: number;
  /** Bytes of pieces, by the server's ledger. */
  readonly wanBytes: number;
  /** All that the line has carried, messages and headers included where packets are simulated. */
  readonly carriedBytes: number;
  /** What would have crossed it besides, had every device fetched for itself. */
  readonly savedBytes: number;
  /** How much of what the line could carry until the last device was done it has carried. */
  readonly busyShare: number;
};

/** How a deployment goes in one office. */
export type OfficeForecast = {
  readonly office: string;
  readonly parent?: string;
  readonly type: OfficeType;
  /** How many offices are above it. */
  readonly level: number;
  readonly subnets: readonly string[];
  readonly devices: number;
  readonly finished: number;
  /** Absent where each device fetches for itself, or none is there. */
  readonly rvp?: RvpForecast;
  /** When the first and the last of its devices had everything; the publisher is not counted. */
  readonly firstS?: number;
  readonly lastS?: number;
  /** When the last could have had everything at the earliest. */
  readonly boundS: number;
  /** Absent in the Central Office. */
  readonly link?: LinkForecast;
};

/** What is slowest on the way to the office that is done last. */
export type Bottleneck = Narrow & {
  readonly lastOffice: string;
  /** Of a line, see {@link LinkForecast}. */
  readonly busyShare?: number;
};

/** A device that did not get everything. */
export type UnfinishedDevice = {
  readonly hostName: string;
  readonly host: string;
  readonly office: string;
  /** A part of a sentence. */
  readonly why: string;
};

/** How a deployment to all devices of an organisation goes. */
export type Forecast = {
  readonly seed: number;
  readonly grain: Grain;
  readonly sizeBytes: number;
  readonly pieces: number;
  readonly devices: number;
  readonly finished: number;
  /** From the deployment until the last device had everything. */
  readonly seconds: number;
  /** The least time in which it could be, and how much more it took. */
  readonly boundS: number;
  readonly ratio: number;
  readonly bottleneck?: Bottleneck;
  /** Bytes of pieces over all lines together. */
  readonly wanBytes: number;
  /** What would have crossed them besides, had every device fetched for itself. */
  readonly savedBytes: number;
  /** The Central Office first, the others as they were entered. */
  readonly offices: readonly OfficeForecast[];
  readonly unfinished: readonly UnfinishedDevice[];
  /** What went wrong meanwhile, because it was asked for. */
  readonly mishaps: readonly Mishap[];
};
