import { closeSync, createWriteStream, openSync } from "node:fs";
import { access, mkdir, rename, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { isConsistent } from "../branchcache/block-check.ts";
import {
  decodeContentInformation,
  listedBlocks,
  type Segment,
  segmentsOf,
} from "../branchcache/content-information.ts";
import { rangeOfV1 } from "../branchcache/content-information-v1.ts";
import { rangeOfV2 } from "../branchcache/content-information-v2.ts";
import type { BlockSource } from "../branchcache/download-types.ts";
import type { Place } from "../branchcache/holdings.ts";
import { readAnswer } from "../branchcache/http-negotiation.ts";
import { CONTENT_INFORMATION_BYTES_MAX } from "../branchcache/limits.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import type { BlockStore } from "./block-store.ts";
import { fetchSegments } from "./fetching.ts";
import { branchCacheCrypto } from "./node-crypto.ts";
import { askForFile, askForPlainFile, bodyOf, headerOf } from "./web-client.ts";
import { writeAllSync } from "./write-all.ts";

/** What is to be fetched, and how. */
export type GetOptions = {
  readonly url: URL;
  /** The file to write; it must not be there. */
  readonly file: string;
  readonly store: BlockStore;
  readonly hosted?: Place | undefined;
  /** The address to send from. */
  readonly localAddress?: string | undefined;
  readonly discovery?: { readonly port: number; readonly address?: string | undefined } | undefined;
};

/** What came of it: bytes of the file by where they came from, which add up to its size. */
export type GetResult = {
  readonly file: string;
  readonly sizeBytes: number;
  readonly seconds: number;
  /** The version of content information; absent where the server gave none that is of use. */
  readonly version?: 1 | 2;
  readonly bytes: Readonly<Record<BlockSource, number>>;
  /** Addresses of peers that were asked; one of them may have several. */
  readonly peers: number;
  readonly badBlocks: number;
};

/** A file with the segments that others do not have yet. */
export type Got = { readonly result: GetResult; readonly toOffer: readonly Segment[] };

/** From this part of a segment's blocks on that came from the server, it is offered (MS-PCHC 3.1). */
const OFFER_FROM_PART = 0.2;

/**
 * Fetches a file from the own cache, a hosted cache, peers and the server, verified block by block.
 *
 * The file appears under its name when it is whole, and not before.
 *
 * @throws OperatorError where the server does not give what nobody else has, or `file-exists`.
 */
export async function getFile(options: GetOptions, signal: AbortSignal): Promise<Got> {
  const { file, url } = options;
  await refuseExisting(file);
  await mkdir(dirname(file), { recursive: true });
  const part = `${file}.part`;
  const startedMs = performance.now();
  try {
    const response = await askForFile(url, signal);
    const described = await readDescription(response);
    const got =
      described === undefined
        ? await plainly(response, part, signal)
        : await inSegments(options, described, part, signal);
    await rename(part, file);
    const seconds = Math.round(performance.now() - startedMs) / 1_000;
    return { ...got, result: { file, seconds, ...got.result } };
  } catch (error) {
    await rm(part, { force: true });
    throw diskError(error, file);
  }
}

/** What a file system says, and no line does. */
const DISK_CODES: ReadonlySet<string> = new Set(
  "EACCES EDQUOT EFBIG EIO EISDIR ENAMETOOLONG ENOENT ENOSPC ENOTDIR EPERM EROFS".split(" "),
);

/** What the file system refused, as an operator can mend it; anything else as it is. */
function diskError(error: unknown, file: string): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (!DISK_CODES.has(code)) return error;
  return new OperatorError(
    "file-not-written",
    `${file} could not be written (${code}): check that its folder belongs to the account that ` +
      "runs Branchline and that the disk has room.",
    { cause: error },
  );
}

type Outcome = {
  readonly result: Omit<GetResult, "file" | "seconds">;
  readonly toOffer: readonly Segment[];
};

type Described = {
  readonly version: 1 | 2;
  readonly segments: readonly Segment[];
  readonly sizeBytes: number;
};

async function refuseExisting(file: string): Promise<void> {
  try {
    await access(file);
  } catch {
    return;
  }
  throw new OperatorError("file-exists", `${file} is there already: remove it, or choose another.`);
}

/** The content information in an answer; `undefined` where it is the file itself. */
async function readDescription(response: IncomingMessage): Promise<Described | undefined> {
  const answer = readAnswer({
    contentEncoding: headerOf(response, "content-encoding"),
    peerDist: headerOf(response, "x-p2p-peerdist"),
  });
  if (answer.kind === "plain") return undefined;
  const bytes = await bodyOf(response, CONTENT_INFORMATION_BYTES_MAX);
  const information = bytes === undefined ? undefined : decodeContentInformation(bytes);
  if (answer.kind === "malformed" || information?.ok !== true) throw badInformation();
  const { value } = information;
  const range = value.version === 1 ? rangeOfV1(value) : rangeOfV2(value);
  const segments = segmentsOf(branchCacheCrypto, value);
  const isSound = segments.every((segment) => isConsistent(branchCacheCrypto, segment));
  const isWhole = range?.startBytes === 0 && range.endBytes === answer.entityBytes;
  if (!isSound || !isWhole) throw badInformation();
  return { version: value.version, segments, sizeBytes: answer.entityBytes };
}

function badInformation(): OperatorError {
  return new OperatorError(
    "branchcache-bad-information",
    "The server's content information does not add up: it, or something between, is broken.",
  );
}

async function plainly(
  response: IncomingMessage,
  part: string,
  signal: AbortSignal,
): Promise<Outcome> {
  let sizeBytes = 0;
  response.on("data", (chunk: Buffer) => {
    sizeBytes += chunk.length;
  });
  try {
    await pipeline(response, createWriteStream(part), { signal });
  } catch (cause) {
    if (diskError(cause, part) !== cause) throw cause;
    throw new OperatorError("branchcache-server-away", "The server broke off.", { cause });
  }
  const bytes = { own: 0, peer: 0, hosted: 0, server: sizeBytes };
  return { result: { sizeBytes, bytes, peers: 0, badBlocks: 0 }, toOffer: [] };
}

async function inSegments(
  options: GetOptions,
  { version, segments, sizeBytes }: Described,
  part: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const bytes = { own: 0, peer: 0, hosted: 0, server: 0 };
  const target = openSync(part, "w", 0o644);
  const range = { startBytes: 0, endBytes: sizeBytes };
  const fetched = await fetchSegments(
    {
      ...options,
      segments,
      range,
      onBlock: (offsetBytes, block, source) => {
        writeAllSync(target, block, offsetBytes);
        bytes[source] += block.length;
      },
    },
    signal,
  ).finally(() => closeSync(target));
  const { peers, badBlocks, fromServer } = fetched;
  if (fetched.failure === "content-changed") {
    // What its information describes is gone: the file as it is now has no verified source but it.
    return await plainly(await askForPlainFile(options.url, signal), part, signal);
  }
  if (fetched.failure !== undefined) {
    throw new OperatorError(
      "branchcache-server-away",
      `${options.url.href}: nobody has the rest, and the server does not give it.`,
    );
  }
  const toOffer = segments.filter(
    (segment) => (fromServer.get(segment) ?? 0) >= OFFER_FROM_PART * listedBlocks(segment),
  );
  return { result: { sizeBytes, version, bytes, peers, badBlocks }, toOffer };
}
