import { watch } from "node:fs";
import { mkdir, readdir, stat } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";
import { OperatorError } from "../runtime/operator-error.ts";
import { CONTENT_COUNTERS, ContentService } from "./content-service.ts";
import { Counters } from "./counters.ts";
import { HashCache } from "./hash-cache.ts";
import { closeHttp, listenHttp } from "./listening.ts";
import type { EventLog } from "./log.ts";
import { serverKey } from "./server-key-file.ts";
import type { ContentServerSettings } from "./settings.ts";
import { readTls } from "./tls-files.ts";

/** What the path of every file begins with. */
const PREFIX = "/content/";

/** Serves a folder, with content information, until the signal aborts. */
export async function runContentServer(
  settings: ContentServerSettings,
  { signal, log }: { readonly signal: AbortSignal; readonly log: EventLog },
): Promise<void> {
  const folder = await contentFolder(settings);
  await mkdir(settings.data, { recursive: true, mode: 0o700 });
  const secretKey = await serverKey(settings.data);
  const tls = await readTls(settings.tls);
  const hashes = new HashCache(join(settings.data, "hashes"));
  const counters = new Counters(settings.data, CONTENT_COUNTERS);
  const service = new ContentService({
    folder,
    prefix: PREFIX,
    secretKey,
    leastBytes: settings.content.leastBytes,
    hashes,
    count: (name, count) => counters.add(name, count),
  });
  const handle: Parameters<typeof createServer>[1] = (request, response) =>
    void service.handle(request, response);
  const server: Server = tls === undefined ? createServer(handle) : createTlsServer(tls, handle);
  const { address, port } = settings.network;
  await listenHttp(server, { address, port, setting: "network.port" });
  log.info({ address, port, folder }, "content-server-listening");
  const watching = hashEverything(folder, hashes, settings.content.leastBytes, log);
  await untilAborted(signal);
  watching.close();
  hashes.stop();
  await closeHttp(server);
  await counters.close();
}

/** Waits for the end. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function contentFolder(settings: ContentServerSettings): Promise<string> {
  const { folder } = settings.content;
  if (folder === undefined) {
    throw new OperatorError("usage-folder", "Which folder is to be served? Say --dir FOLDER.");
  }
  const stats = await stat(folder).catch(() => undefined);
  if (stats?.isDirectory() === true) return folder;
  throw new OperatorError("usage-folder", `${folder} is no folder that can be read.`);
}

/** How long a file must rest before it is hashed, in milliseconds: it may still be written. */
const REST_MS = 1_000;

/** Hashes all files, and those that come later, so that nobody who asks has to wait. */
function hashEverything(
  folder: string,
  hashes: HashCache,
  leastBytes: number,
  log: EventLog,
): { close(): void } {
  const waiting = new Map<string, NodeJS.Timeout>();
  const hash = async (name: string): Promise<void> => {
    waiting.delete(name);
    const path = join(folder, name);
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isFile() !== true || stats.size < leastBytes) return;
    await hashes.make(path);
    log.info({ file: name, bytes: stats.size }, "content-hashed");
  };
  const watcher = watch(folder, { recursive: true }, (_, name) => {
    if (name === null) return;
    clearTimeout(waiting.get(name));
    waiting.set(
      name,
      setTimeout(() => void hash(name), REST_MS),
    );
  });
  // A folder that cannot be watched any more is hashed when its files are asked for.
  watcher.on("error", () => watcher.close());
  void readdir(folder, { recursive: true })
    .then(async (names) => {
      for (const name of names.toSorted()) await hash(name);
    })
    .catch(() => {});
  return {
    close: () => {
      watcher.close();
      for (const timer of waiting.values()) clearTimeout(timer);
    },
  };
}
