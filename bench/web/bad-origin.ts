// A web server that does what no good one does: bad-origin.ts MANNER ADDRESS FOLDER READY_FILE.
// It serves FOLDER under /packages, and makes READY_FILE once it listens.
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { basename, join } from "node:path";

/** What a server does to whoever asks for a range. */
export type BadManner = "ignores-ranges" | "lies-about-length" | "breaks-off" | "other-bytes";

/** A range of a package that was asked for. */
type Asked = { readonly whole: Uint8Array; readonly first: number; readonly last: number };

const MANNERS: Readonly<Record<BadManner, (response: ServerResponse, asked: Asked) => void>> = {
  "ignores-ranges": (response, { whole }) => {
    response.writeHead(200, { "content-length": whole.length }).end(whole);
  },
  // The head promises what was asked for, and the body goes on behind it.
  "lies-about-length": (response, asked) => {
    response.writeHead(206, { "content-range": rangeText(asked) });
    response.end(Buffer.concat([bytesOf(asked), bytesOf(asked)]));
  },
  "breaks-off": (response, asked) => {
    const bytes = bytesOf(asked);
    head(response, asked);
    response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
  },
  "other-bytes": (response, asked) => {
    head(response, asked);
    response.end(bytesOf(asked).map((byte) => byte ^ 1));
  },
};

function bytesOf({ whole, first, last }: Asked): Uint8Array {
  return whole.subarray(first, last + 1);
}

function rangeText({ whole, first, last }: Asked): string {
  return `bytes ${first}-${last}/${whole.length}`;
}

function head(response: ServerResponse, asked: Asked): void {
  const headers = { "content-range": rangeText(asked), "content-length": bytesOf(asked).length };
  response.writeHead(206, headers);
}

function serve([manner, address = "", folder = "", ready = ""]: readonly string[]): void {
  const answer = MANNERS[manner as BadManner];
  const server = createServer((request, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    try {
      const whole = readFileSync(join(folder, basename(request.url ?? "")));
      answer(response, { whole, first: Number(first), last: Number(last) });
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(80, address, () => writeFileSync(ready, ""));
}

if (import.meta.main) serve(process.argv.slice(2));
