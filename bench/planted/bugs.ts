/** A place of the product, said otherwise. */
export type Edit = {
  /** Below the project's folder. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly right: string;
  readonly wrong: string;
};

/** A mistake that somebody could make. */
export type PlantedBug = Edit & {
  readonly name: string;
  /** Where else it has to be made: what is guarded twice is wrong only if both guards are. */
  readonly also?: Edit;
};

/** Mistakes in whom is asked for what. */
const FETCHING: readonly PlantedBug[] = [
  {
    name: "what has been asked for is asked for again",
    file: "src/swarm/piece-picker.ts",
    right: "    this.#asked.add(piece);",
    wrong: "    void piece;",
  },
  {
    name: "everybody fetches over the line",
    file: "src/peer/sources.ts",
    right: 'if (core.view.officeType === "vpn" || holder === deviceId) return true;',
    wrong: "return true;",
  },
  {
    name: "what the office holds is fetched over the line",
    file: "src/swarm/piece-picker.ts",
    right: "if ((this.#copies[piece] ?? 0) === 0) return piece;",
    wrong: "return piece;",
  },
  {
    name: "what a peer that is gone owed us is still waited for",
    file: "src/peer/downloads.ts",
    right: "for (const pending of [...link.pending.values()]) this.#release(link, pending);",
    wrong: "",
  },
  {
    name: "a piece that a peer refuses is never asked for again",
    file: "src/peer/downloads.ts",
    right:
      "    if (pending === undefined) return;\n    this.#release(link, pending);\n    const asked",
    wrong: "    if (pending === undefined) return;\n    const asked",
  },
  {
    name: "what did not fit on a full disk is not tried again",
    file: "src/peer/content-states.ts",
    right:
      'if (entry.state !== "failed" || !entry.wanted || act.nowUs < entry.retryAtUs) continue;',
    wrong: 'if (entry.state !== "waiting") continue;',
  },
  {
    name: "whoever knew nothing once is not asked about anything new",
    file: "src/peer/peer.ts",
    right: "if (this.#states.takeNews()) this.#neighbours.forgetUseless();",
    wrong: "this.#states.takeNews();",
    also: {
      file: "src/peer/neighbours.ts",
      right: "const USELESS_US = 15 * SECOND;",
      wrong: "const USELESS_US = 1_500_000 * SECOND;",
    },
  },
  {
    name: "what has been gained is told to nobody",
    file: "src/peer/content-states.ts",
    right: "    entry.unannounced.push(piece);",
    wrong: "",
  },
];

/** Mistakes in what is verified, and who serves. */
const SERVING: readonly PlantedBug[] = [
  {
    name: "a piece is offered before it has been verified",
    file: "src/peer/downloads.ts",
    right: "      this.#core.storingBytes += pending.assembly.sizeBytes;",
    wrong:
      "      this.#core.storingBytes += pending.assembly.sizeBytes;\n" +
      "      if (entry.known?.held.add(pending.piece)) entry.unannounced.push(pending.piece);",
  },
  {
    name: "a piece that did not verify counts as held",
    file: "src/peer/content-states.ts",
    right: "    if (this.#origins.onMismatch(act, entry, rejected.piece)) return;",
    wrong: "    if (entry.known !== undefined) return this.#onStored(act, entry, rejected.piece);",
  },
  {
    name: "a piece that was found damaged is kept",
    file: "src/peer/content-states.ts",
    right: "    if (rechecked.intact || entry.known?.held.has(rechecked.piece) !== true) return;",
    wrong: "    if (entry.known !== undefined) return;\n    if (rechecked.intact) return;",
  },
  {
    name: "devices of a VPN office serve",
    file: "src/peer/uploads.ts",
    right: 'known === undefined || this.#core.view.officeType === "vpn"',
    wrong: "known === undefined",
    also: {
      file: "src/peer/conversations.ts",
      right: 'this.#core.view.officeType === "vpn" ? undefined : entry.known',
      wrong: "entry.known",
    },
  },
  {
    name: "devices of a WiFi office broadcast",
    file: "src/peer/discovery.ts",
    right: 'this.#key === undefined || this.#core.view.officeType === "wifi"',
    wrong: "this.#key === undefined",
  },
];

/** Mistakes in who fetches for an office. */
const ELECTING: readonly PlantedBug[] = [
  {
    name: "each device takes itself for the best",
    file: "src/topology/succession.ts",
    right: "    this.#ranked = ranked;\n    this.#rankOf = new Map(ranked.map(",
    wrong:
      "    const own = (one: Candidate): number => (one.deviceId === this.#self ? 0 : 1);\n" +
      "    this.#ranked = [...ranked].sort((a, b) => own(a) - own(b));\n" +
      "    this.#rankOf = new Map(this.#ranked.map(",
  },
  {
    name: "a device of a VPN office says that it fetches for it",
    file: "src/peer/core.ts",
    right: 'return view.officeType !== "vpn" && succession.holder === options.deviceId;',
    wrong: "return view.office !== undefined && succession.holder === options.deviceId;",
  },
];

/** Mistakes in what the server says, hears and keeps. */
const TELLING: readonly PlantedBug[] = [
  {
    name: "the line to the server is not taken up again",
    file: "src/peer/server-link.ts",
    right: '    this.#state = { kind: "waiting", untilUs: act.nowUs + this.#backoffUs };',
    wrong: '    this.#state = { kind: "waiting", untilUs: Number.POSITIVE_INFINITY };',
  },
  {
    name: "an older word of the server replaces a newer one",
    file: "src/peer/numbered.ts",
    right: "  if (known === undefined || said.epoch > known.epoch) return false;",
    wrong: "  if (known === undefined || said.epoch > known.epoch) return known !== undefined;",
  },
  {
    name: "a server that begins anew is taken for the past",
    file: "src/peer/numbered.ts",
    right: "  return said.epoch < known.epoch || said.version < known.version;",
    wrong: "  return said.version < known.version;",
    also: {
      file: "src/peer/numbered.ts",
      right: "  if (known === undefined || said.epoch > known.epoch) return false;",
      wrong: "  if (known === undefined) return false;",
    },
  },
  {
    name: "the last that a device reached is not told",
    file: "src/peer/server-link.ts",
    right: "      say(this.#core, act, this.#state.association, this.#progress(entry));",
    wrong:
      '      if (entry.state === "complete") continue;\n' +
      "      say(this.#core, act, this.#state.association, this.#progress(entry));",
  },
  {
    name: "of two contents that are published at once the first is lost",
    file: "src/peer/server-link.ts",
    right: "    if (isFirst) this.#sendNextManifest(act);",
    wrong:
      "    const [oldest] = this.#publications.keys();\n" +
      "    if (!isFirst && oldest !== undefined) this.#publications.delete(oldest);\n" +
      "    this.#sendNextManifest(act);",
  },
  {
    name: "a device is told of its own office alone",
    file: "src/coordinator/directories.ts",
    right: "      members: [own, ...above].flatMap(({ members }) => members),",
    wrong: "      members: own.members,",
  },
  {
    name: "a deployment is not made durable",
    file: "src/coordinator/rollout.ts",
    right: '      outbox.persist({ kind: "deployment-put", deployment: row });',
    wrong: "",
  },
  {
    name: "what was said of a deployment is forgotten with the server",
    file: "src/coordinator/rollout.ts",
    right: '      outbox.persist({ kind: "deployment-put", deployment: row });',
    wrong:
      '      if (row.directives.length === 0) outbox.persist({ kind: "deployment-put", deployment: row });',
  },
  {
    name: "what is paused is fetched all the same",
    file: "src/peer/content-entry.ts",
    right: '  return wanted && hold === "none";',
    wrong: "  return wanted || hold !== undefined;",
  },
  {
    name: "bytes over a line are counted as the LAN's",
    file: "src/swarm/ledger.ts",
    right: '  const place = way.sameOffice ? "lan" : "wan";',
    wrong: '  const place = way.sameOffice || bytes % 7 === 0 ? "lan" : "wan";',
  },
  {
    name: "bytes that arrive are counted twice",
    file: "src/swarm/ledger.ts",
    right: "  tally[key] += bytes;",
    wrong: '  tally[key] += way.direction === "in" ? 2 * bytes : bytes;',
  },
];

/** Mistakes in the transport. */
const CARRYING: readonly PlantedBug[] = [
  {
    name: "a record number is sealed twice",
    file: "src/transport/record-sealer.ts",
    right: "      record: this.#next++,",
    wrong: "      record: this.#next++ & ~1,",
  },
  {
    name: "a stream is read on behind a gap",
    file: "src/transport/message-stream.ts",
    right: "      if (run.offsetBytes > this.#nextBytes) break;",
    wrong: "      if (run.offsetBytes > this.#nextBytes + 64) break;",
  },
  {
    name: "what was lost is not sent again",
    file: "src/transport/sender.ts",
    right: "    this.#repairs.add(record, fragment);",
    wrong: "    if (record.number % 5 !== 4) this.#repairs.add(record, fragment);",
  },
];

/** All of them. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...FETCHING,
  ...SERVING,
  ...ELECTING,
  ...TELLING,
  ...CARRYING,
];
