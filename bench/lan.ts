import { MIB } from "../src/base/units.ts";
import { digits } from "./figures.ts";
import { makeContent } from "./lan/content.ts";
import type { Limits } from "./lan/limits.ts";
import { makePair } from "./lan/pair.ts";
import { type Lan, measureLimits, ROWS, type Row, type RowName } from "./lan/rows.ts";
import type { EndResult } from "./lan/use.ts";
import type { Bench } from "./stage.ts";

/** The row of the product itself, as it runs where the system's own sockets are to be had. */
const OWN = "branchline";

/** What is wanted of it: shares of the limits, and how it compares with others. */
const SHARE_MIN = { crypto: 0.65, all: 0.85 } as const;
const OVER_TLS_MIN = 1;
const OVER_LIBTORRENT_MIN = 2;
const RSS_BYTES_MAX = 150 * MIB;

/** From one computer to another, as fast as the processors are. */
export const LAN: Bench = {
  claim: "one sender, one receiver, nothing between them: near to what the processor allows",
  rows: Object.keys(ROWS),
  sizeText: "4GiB",
  // What is sent, and what has come.
  copies: 2.5,
  run: async (stage) => {
    const pair = await makePair(stage.namespaces);
    const { only, sizeBytes } = stage.options;
    const content = await makeContent(stage.folder, sizeBytes);
    stage.say(`made ${sizeBytes} bytes in ${content.pieces} pieces`);
    const lan: Lan = { stage, pair, content };
    const limits = await measureLimits(lan);
    const rows: Partial<Record<RowName, RowFigures>> = {};
    for (const name of Object.keys(ROWS) as RowName[]) {
      if (only !== "" && only !== name) continue;
      const row = await ROWS[name](lan);
      rows[name] = rowFigures(row, sizeBytes);
      stage.say(`${name}: ${JSON.stringify(rows[name])}`);
    }
    return { ...judge(rows, limits), sizeBytes, pieces: content.pieces, limits, rows };
  },
};

/** A transfer, for the result. MB are 10^6 bytes and GB 10^9. */
type Figures = {
  readonly mbPerS: number;
  readonly intact: boolean;
  readonly receiver: EndFigures;
  readonly sender: EndFigures;
};
type EndFigures = { readonly cpuSPerGB: number; readonly peakRssMB: number };

/** A row, for the result; or what had to be installed for it. */
type RowFigures = Figures | { readonly missing: string };

function rowFigures(row: Row, sizeBytes: number): RowFigures {
  if ("missing" in row) return row;
  const { sender, receiver, intact } = row;
  const end = ({ cpuSeconds, peakRssBytes }: EndResult): EndFigures => ({
    cpuSPerGB: digits((cpuSeconds * 1e9) / sizeBytes, 2),
    peakRssMB: Math.round(peakRssBytes / 1e6),
  });
  const mbPerS = Math.round(sizeBytes / receiver.seconds / 1e6);
  return { mbPerS, intact, receiver: end(receiver), sender: end(sender) };
}

/** What is wanted, and how far it is reached; of rows that were not run nothing is said. */
function judge(rows: Partial<Record<RowName, RowFigures>>, limits: Limits) {
  const { gcmOpen, sha256, groReceive = Number.POSITIVE_INFINITY, write } = limits;
  const limitCrypto = 1 / (1 / gcmOpen + 1 / sha256);
  const limitAll = 1 / (1 / gcmOpen + 1 / sha256 + 1 / groReceive + 1 / write);
  const own = figuresOf(rows[OWN]);
  const perCpuS = own && 1_000 / own.receiver.cpuSPerGB;
  const over = (other: RowFigures | undefined): number | undefined => {
    const figures = figuresOf(other);
    return own && figures && digits(own.mbPerS / figures.mbPerS, 2);
  };
  const reached = {
    ofLimitCrypto: perCpuS && digits(perCpuS / limitCrypto, 2),
    ofLimitAll: perCpuS && digits(perCpuS / limitAll, 2),
    overTls: over(rows.tls),
    overLibtorrent: over(rows.libtorrent),
  };
  const { ofLimitCrypto, ofLimitAll, overTls, overLibtorrent } = reached;
  const ok =
    Object.values(rows).every((row) => "missing" in row || row.intact) &&
    (ofLimitCrypto ?? SHARE_MIN.crypto) >= SHARE_MIN.crypto &&
    (ofLimitAll ?? SHARE_MIN.all) >= SHARE_MIN.all &&
    (overTls ?? OVER_TLS_MIN) >= OVER_TLS_MIN &&
    (overLibtorrent ?? OVER_LIBTORRENT_MIN) >= OVER_LIBTORRENT_MIN &&
    (own === undefined || own.receiver.peakRssMB * 1e6 <= RSS_BYTES_MAX);
  return {
    ok,
    ...reached,
    limitCryptoMBPerS: Math.round(limitCrypto),
    limitAllMBPerS: Math.round(limitAll),
  };
}

function figuresOf(row: RowFigures | undefined): Figures | undefined {
  return row === undefined || "missing" in row ? undefined : row;
}
