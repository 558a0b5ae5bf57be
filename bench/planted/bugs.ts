/** A mistake that somebody could make: one place of the product, said otherwise. */
export type PlantedBug = {
  readonly name: string;
  /** Below the project's folder. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly right: string;
  readonly wrong: string;
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
    name: "a peer that brings nothing is waited for without end",
    file: "src/peer/downloads.ts",
    right: "if (link.pending.size > 0 && owedUs >= STALL_US) this.#onStall(act, link);",
    wrong: "",
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
  },
  {
    name: "devices of a WiFi office broadcast",
    file: "src/peer/discovery.ts",
    right: 'this.#key === undefined || this.#core.view.officeType === "wifi"',
    wrong: "this.#key === undefined",
  },
  {
    name: "any number of devices is linked up with",
    file: "src/peer/neighbours.ts",
    right: "      if (taken >= most) return;",
    wrong: "      if (taken >= 1_000) return;",
  },
];

/** Mistakes in who fetches for an office. */
const ELECTING: readonly PlantedBug[] = [
  {
    name: "each device takes itself for the best",
    file: "src/topology/succession.ts",
    right: "    this.#ranked = ranked;",
    wrong:
      "    this.#ranked = [...ranked].sort((a, b) =>\n" +
      "      Number(b.deviceId === this.#self) - Number(a.deviceId === this.#self),\n    );",
  },
  {
    name: "nobody listens to claims",
    file: "src/topology/succession.ts",
    right: "    if (!this.#rankOf.has(deviceId)) return false;\n    const holder",
    wrong: "    if (claim.term >= 0) return false;\n    const holder",
  },
  {
    name: "nobody takes the place of one that is gone",
    file: "src/topology/succession.ts",
    right: "    if (deviceId !== this.#holder?.deviceId || deviceId === this.#self) return;\n",
    wrong: "    if (deviceId !== undefined) return;\n",
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
    name: "what the server said is forgotten with a restart",
    file: "src/peer/memory.ts",
    right: "      return message?.kind === name ? [message as KeptMessage] : [];",
    wrong:
      "      return message?.kind === name && name !== KEPT[1] ? [message as KeptMessage] : [];",
  },
  {
    name: "a deployment is not made durable",
    file: "src/coordinator/rollout.ts",
    right: '    outbox.persist({ kind: "deployment-add", deployment: row });',
    wrong: "",
  },
  {
    name: "what a device had counted before its restart is forgotten",
    file: "src/coordinator/rollout.ts",
    right: "  return before.bootId === bootId ? before.base : totalOf(before);",
    wrong: "  return before.base;",
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
    name: "a count that lies is believed",
    file: "src/wire/cbor.ts",
    right:
      "  // Every element takes a byte or more: a count beyond that is a lie, refused before it allocates.\n" +
      "  if (count > reader.remaining) return undefined;",
    wrong: "  if (count > reader.remaining) throw new RangeError();",
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
