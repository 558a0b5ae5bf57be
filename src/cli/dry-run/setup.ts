import { KIB, MIB, MS } from "../../base/units.ts";
import { PIECE_BYTES_MAX } from "../../content/chunker.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import type { Weather } from "../../sim/faults/weather.ts";
import { boundOf, type ForecastOffice, type ForecastSetup } from "../../sim/forecast.ts";
import type { Grain } from "../../sim/organisation.ts";
import { type SpreadProblem, spreadDevices } from "../../sim/spread.ts";
import { lintTopology } from "../../topology/lint.ts";
import type { Finding, Office } from "../../topology/office.ts";
import { buildTopology, type Topology } from "../../topology/topology.ts";
import { findingLines } from "../findings.ts";
import { type OfficeEstimate, parseEstimates } from "../topology-estimates.ts";
import { parseTopologyCsv, readCsvText } from "../topology-file.ts";

/** What a user may choose for a dry run. */
export type DryRunChoices = {
  readonly topology: string;
  /** Absent: as many as the file says. */
  readonly devices?: number;
  readonly sizeBytes: number;
  readonly pieces?: number;
  readonly seed: number;
  /** Rate and delay of the lines of which the file does not say them. */
  readonly wanMbit: number;
  readonly delayMs: number;
  readonly lanMbit?: number;
  readonly server?: string;
  readonly grain?: Grain;
  readonly faults?: Weather;
  readonly limitS?: number;
};

/** A dry run that can begin, and what the linter has to say before. */
export type PlannedDryRun = {
  readonly setup: ForecastSetup;
  readonly findings: readonly Finding[];
};

/** The length of pieces that the product aims at. */
const PIECE_BYTES = 256 * KIB;

/** A package is cut more coarsely rather than into more pieces, of all devices and of one. */
const PIECES_ALL_MAX = 300_000;
const PIECES_MAX = 1_024;

/** So many bytes on all devices together, and so many devices, are simulated packet by packet. */
const PACKETS_MAX = { bytes: 32 * MIB, devices: 60 } as const;

/** What one device sends and receives in its LAN where nothing else is said. */
const LAN_MBIT = 1_000;

/** A distribution that cannot be done within this time is not tried. */
const BOUND_S_MAX = 7 * 86_400;

/** How many bytes a second a Mbit/s is. */
const MBIT = 125_000;

/**
 * Reads the topology and plans the dry run.
 *
 * @throws OperatorError `topology-file` and `bad-topology` with every finding; `sim-devices` where
 * the devices do not fit; `sim-time` where it would take for ever.
 */
export async function planDryRun(choices: DryRunChoices): Promise<PlannedDryRun> {
  const text = await readCsvText(choices.topology);
  const file = parseTopologyCsv(text, choices.topology);
  const estimates = parseEstimates(text, choices.topology);
  const servers = choices.server === undefined ? [] : [choices.server];
  const findings = [
    ...file.findings,
    ...estimates.findings,
    ...lintTopology(file.offices, servers),
  ].sort((a, b) => a.row - b.row);
  const topology = buildTopology(file.offices);
  if (!topology.ok || findings.some(({ severity }) => severity === "error")) {
    const lines = findingLines(findings).map((line) => `\n  ${line}`);
    throw new OperatorError(
      "bad-topology",
      `Nothing was simulated:${lines.join("")}\nMend the errors.`,
    );
  }
  const offices = officesOf(topology.value, estimates.offices, choices);
  const devices = offices.reduce((sum, office) => sum + office.devices, 0);
  const setup = setupOf(offices, devices, choices);
  const boundS = boundOf(setup);
  if (choices.limitS === undefined && boundS > BOUND_S_MAX) {
    const time = `at least ${Math.ceil(boundS / 3_600)} hours`;
    const mend = "Is the rate of every line right? With --until it is tried for so long";
    throw new OperatorError("sim-time", `This would take ${time}: nothing was simulated. ${mend}.`);
  }
  return { setup, findings };
}

function setupOf(
  offices: readonly ForecastOffice[],
  devices: number,
  choices: DryRunChoices,
): ForecastSetup {
  const { sizeBytes, seed, server, limitS, lanMbit, faults = "none" } = choices;
  const isFew = devices <= PACKETS_MAX.devices && devices * sizeBytes <= PACKETS_MAX.bytes;
  const grain = choices.grain ?? (isFew && lanMbit === undefined ? "packets" : "flows");
  if (faults !== "none" && grain === "flows") {
    const why = "Faults are tried packet by packet, which is too much here";
    const mend = "name fewer devices or a smaller size, or wait for it with --grain packets";
    throw new OperatorError("sim-faults", `${why}: ${mend}.`);
  }
  return {
    offices,
    sizeBytes,
    pieces: piecesOf(choices, devices),
    seed,
    grain,
    faults,
    lanRate: (lanMbit ?? LAN_MBIT) * MBIT,
    ...(server === undefined ? {} : { server }),
    ...(limitS === undefined ? {} : { limitS }),
  };
}

/** As many as the product would cut; fewer, and larger ones, where there are many devices. */
function piecesOf({ sizeBytes, pieces }: DryRunChoices, devices: number): number {
  const fewest = Math.ceil(sizeBytes / PIECE_BYTES_MAX);
  if (pieces !== undefined && pieces < fewest) {
    const sentence = `A package of ${sizeBytes} bytes has ${fewest} pieces or more (--pieces).`;
    throw new OperatorError("usage-arguments", sentence);
  }
  if (pieces !== undefined) return Math.min(sizeBytes, pieces);
  const most = Math.min(PIECES_MAX, Math.floor(PIECES_ALL_MAX / devices));
  return Math.max(fewest, Math.min(Math.ceil(sizeBytes / PIECE_BYTES), most));
}

function officesOf(
  topology: Topology,
  estimates: ReadonlyMap<string, OfficeEstimate>,
  choices: DryRunChoices,
): readonly ForecastOffice[] {
  const { central } = topology;
  const all = [...topology.offices.values()];
  const offices = [
    ...all.filter(({ name }) => name === central),
    ...all.filter(({ name }) => name !== central),
  ];
  const counts = countsOf(offices, estimates, choices);
  return offices.map(({ name, parent, type, subnets }, index) => {
    const { mbit = choices.wanMbit, delayMs = choices.delayMs } = estimates.get(name) ?? {};
    return {
      name,
      ...(parent === undefined ? {} : { parent }),
      type,
      subnets: subnets.map(({ text }) => text),
      devices: counts[index] ?? 0,
      lineRate: mbit * MBIT,
      lineDelayUs: Math.round(delayMs * MS),
    };
  });
}

function countsOf(
  offices: readonly Office[],
  estimates: ReadonlyMap<string, OfficeEstimate>,
  { devices, topology: file }: DryRunChoices,
): readonly number[] {
  const asked = offices.map(({ name, subnets }) => {
    const fixed = estimates.get(name)?.devices;
    const texts = subnets.map(({ text }) => text);
    return { name, subnets: texts, ...(fixed === undefined ? {} : { devices: fixed }) };
  });
  const unsaid = asked.find((one) => one.devices === undefined && one.subnets.length > 0);
  if (devices === undefined && unsaid !== undefined) {
    const mend = `give --devices, or a column Devices in ${file} for each office`;
    throw refused(`How many devices does "${unsaid.name}" have? Please ${mend}.`);
  }
  const sum = asked.reduce((all, one) => all + (one.devices ?? 0), 0);
  const spread = spreadDevices(asked, devices ?? sum);
  if (!spread.ok) throw refused(problemText(spread.error, devices ?? sum));
  if ((spread.value[0] ?? 0) === 0) {
    const why = `The Central Office "${asked[0]?.name}" has no device, and one there publishes`;
    throw refused(`${why}: give it subnets, and devices.`);
  }
  if (spread.value.reduce((all, count) => all + count, 0) < 2) {
    throw refused("One device alone has nobody to fetch from: give --devices 2 or more.");
  }
  return spread.value;
}

function problemText(problem: SpreadProblem, total: number): string {
  switch (problem.kind) {
    case "office": {
      const { office, devices, room } = problem;
      const has = `has ${devices} devices and addresses for ${room}`;
      return `Office "${office}" ${has}: enter more subnets, or fewer devices.`;
    }
    case "room": {
      const { room } = problem;
      return `${total} devices do not fit: the subnets have addresses for ${room}. Enter more subnets.`;
    }
    case "sum": {
      const { fixed } = problem;
      const says = `The column Devices has ${fixed} devices, and --devices ${total}`;
      return `${says}: leave --devices out, or leave cells of the column empty for the others.`;
    }
  }
}

function refused(sentence: string): OperatorError {
  return new OperatorError("sim-devices", sentence);
}
