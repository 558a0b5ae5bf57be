import { Agent, request } from "node:http";
import { blockCount, type Segment } from "../../src/branchcache/content-information.ts";
import { RETRIEVAL_PATH } from "../../src/branchcache/retrieval-limits.ts";
import { encodeRequest } from "../../src/branchcache/retrieval-message.ts";
import { OperatorError } from "../../src/runtime/operator-error.ts";

/** How much is asked for at once where nothing else says so: a block. */
const BLOCK_BYTES = 65_536;

/** Whom to ask, and for what: a file by ranges, or segments block by block. */
export type Load = { readonly host: string; readonly port: number; readonly clients: number } & (
  | { readonly sizeBytes: number }
  | { readonly segments: readonly Segment[] }
);

type Ask = { readonly method: string; readonly path: string; readonly headers: object } & {
  readonly body?: Uint8Array;
};

/** Has so many clients fetch everything once, together. Gives the seconds that it took. */
export async function fetchWith(load: Load): Promise<number> {
  const asks = "segments" in load ? blocksOf(load.segments) : rangesOf(load.sizeBytes);
  const startedMs = performance.now();
  let next = 0;
  const client = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (next < asks.length) {
      const ask = asks[next];
      next += 1;
      if (ask !== undefined) await answer(load, agent, ask);
    }
    agent.destroy();
  };
  await Promise.all(Array.from({ length: load.clients }, client));
  return (performance.now() - startedMs) / 1_000;
}

function rangesOf(sizeBytes: number): readonly Ask[] {
  return Array.from({ length: Math.ceil(sizeBytes / BLOCK_BYTES) }, (_, index) => {
    const end = Math.min(sizeBytes, (index + 1) * BLOCK_BYTES) - 1;
    const headers = { Range: `bytes=${index * BLOCK_BYTES}-${end}` };
    return { method: "GET", path: "/package", headers };
  });
}

function blocksOf(segments: readonly Segment[]): readonly Ask[] {
  return segments.flatMap((segment) =>
    Array.from({ length: blockCount(segment) }, (_, index) => {
      const message = {
        kind: "get-blocks",
        segmentId: segment.id,
        ranges: [{ index, count: 1 }],
      } as const;
      const body = encodeRequest({ cipher: "aes-128", message });
      const headers = { "Content-Length": body.length };
      return { method: "POST", path: RETRIEVAL_PATH, headers, body };
    }),
  );
}

/** The shortest answer that can have a block in it. */
const ANSWER_BYTES_MIN = 1_000;

async function answer(load: Load, agent: Agent, { body, headers, ...ask }: Ask): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const asked = request({
      host: load.host,
      port: load.port,
      agent,
      ...ask,
      headers: { ...headers },
    });
    asked.on("error", reject);
    asked.on("response", (response) => {
      let bytes = 0;
      response.on("data", (part: Buffer) => {
        bytes += part.length;
      });
      response.on("error", reject);
      response.on("end", () => {
        const isGood = (response.statusCode ?? 0) < 300 && bytes >= ANSWER_BYTES_MIN;
        if (isGood) resolve();
        else
          reject(new OperatorError("bench-answer", `An answer without a block: ${bytes} bytes.`));
      });
    });
    asked.end(body);
  });
}
