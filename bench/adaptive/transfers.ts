import { fileURLToPath } from "node:url";
import { EndProgram } from "../lan/ends.ts";
import type { Host } from "../net/network.ts";
import type { ForegroundName } from "../options.ts";
import { waitFor } from "../organisation/waiting.ts";
import type { Stage } from "../stage.ts";
import type { Ends } from "./line.ts";

/** A transfer without an end. */
export type Transfer = {
  /** Seconds of the processor that both ends have used so far. */
  cpuSeconds(): number;
  stop(): void;
};

/** What stands in our place on the line. */
export type OwnName = "branchline" | "cubic";

/** Others on the line. At its end `stop` gives how long each request took, in milliseconds. */
export type Foreground = { stop(): Promise<readonly number[]> };

const BRANCHLINE = fileURLToPath(new URL("../../bin/branchline.js", import.meta.url));
const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const OWN_PORT = 5301;
const FOREGROUND_PORT = 8080;

/** What a page has, and how long somebody looks at it. */
const PAGE_BYTES = 100_000;
const PAGE_PAUSE_MS = 500;

/** Starts what stands in our place; it runs when this settles. */
export const OWN: Readonly<Record<OwnName, (stage: Stage, ends: Ends) => Promise<Transfer>>> = {
  branchline: async (stage, { sender, receiver }) => {
    const address = `${receiver.address}:${OWN_PORT}`;
    const netperf = (...args: string[]) =>
      [BRANCHLINE, "netperf", ...args, "--json", "--exit-with-parent"] as const;
    const into = start(stage, receiver, netperf("recv", "--listen", address));
    const from = start(stage, sender, netperf("send", "--to", address));
    await waitFor("our transfer", () => from.said('{"kind":"second"'), { ...stage, lookMs: 50 });
    return transfer(from, into);
  },
  cubic: async (stage, ends) => await startTcp(stage, ends, OWN_PORT),
};

/** Starts what others do. */
export const FOREGROUND: Readonly<
  Record<ForegroundName, (stage: Stage, ends: Ends) => Promise<Foreground>>
> = {
  bulk: async (stage, ends) => {
    const { stop } = await startTcp(stage, ends, FOREGROUND_PORT);
    return {
      stop: () => {
        stop();
        return Promise.resolve([]);
      },
    };
  },
  web: async (stage, { sender, receiver }) => {
    const where = [sender.address, String(FOREGROUND_PORT)];
    const server = start(stage, sender, [script("web-serve.ts"), ...where, String(PAGE_BYTES)]);
    await waitFor("the web server", () => server.said("ready"), { ...stage, lookMs: 20 });
    const ask = [script("web-ask.ts"), ...where, String(PAGE_PAUSE_MS)];
    const client = start(stage, receiver, ask);
    return {
      stop: async () => {
        client.endInput();
        await client.finished();
        server.endInput();
        return client.result<number[]>();
      },
    };
  },
};

async function startTcp(stage: Stage, { sender, receiver }: Ends, port: number): Promise<Transfer> {
  const where = [receiver.address, String(port)];
  const into = start(stage, receiver, [script("tcp-receive.ts"), ...where]);
  await waitFor("the receiver", () => into.said("ready"), { ...stage, lookMs: 20 });
  return transfer(start(stage, sender, [script("tcp-send.ts"), ...where]), into);
}

function start(stage: Stage, host: Host, command: readonly string[]): EndProgram {
  return new EndProgram(stage, host, [process.execPath, ...command]);
}

function transfer(sender: EndProgram, receiver: EndProgram): Transfer {
  const ends = [sender, receiver];
  return {
    cpuSeconds: () => ends.reduce((sum, end) => sum + (end.usage()?.cpuS ?? 0), 0),
    stop: () => {
      for (const end of ends) end.endInput();
    },
  };
}
