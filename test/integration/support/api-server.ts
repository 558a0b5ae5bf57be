import { Agent, request as httpRequest } from "node:https";
import { join } from "node:path";
import { SERVER_ROUTES } from "../../../src/api/server-routes.ts";
import type { ContentId, DeviceId } from "../../../src/base/ids.ts";
import { openControl } from "../../../src/cli/parts.ts";
import type { Change } from "../../../src/coordinator/state.ts";
import { ServerDatabase } from "../../../src/server/database.ts";
import { serverFiles } from "../../../src/server/files.ts";
import { NO_FACTS } from "../../../src/topology/election.ts";
import { Program, runForJson } from "./programs.ts";

/** What a server's API answered. */
export type ApiAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
};

/** One request to a server's API. */
export type ApiRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** Contents of a server that was filled. */
const CONTENTS = 20;
const OFFICES = 50;
const DEPLOYMENTS = 40;

/** A real server process, filled with invented devices, and a token for its API. */
export class ApiServer {
  readonly program: Program;
  readonly token: string;
  readonly tokenId: string;
  readonly #host: string;
  readonly #agent: Agent;

  /** Sets a server up in `folder`, fills it and starts it on a loopback address of its own. */
  static async start(folder: string, devices: number): Promise<ApiServer> {
    const data = join(folder, "server");
    const commands = { home: folder };
    await runForJson(["server", "init", "--data", data], commands);
    await fill(data, devices);
    const host = `127.33.${(process.pid >> 8) & 0xff}.${process.pid & 0xff}`;
    const settings = ["network.address=".concat(host), "webhooks.allow=127.0.0.0/8"];
    const set = settings.flatMap((one) => ["--set", one]);
    const program = Program.start(["server", "run", "--data", data, ...set], commands);
    while (!program.events.some(({ msg }) => msg === "server-started")) {
      if (!program.running) throw new Error(`the server ended: ${program.log}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const control = await openControl(data);
    const made = await control(SERVER_ROUTES.createToken, { body: { name: "requests" } });
    return new ApiServer(program, host, made);
  }

  private constructor(
    program: Program,
    host: string,
    { token, tokenId }: { readonly token: string; readonly tokenId: string },
  ) {
    this.program = program;
    this.token = token;
    this.tokenId = tokenId;
    this.#host = host;
    // Whom the certificate is from is tried elsewhere.
    this.#agent = new Agent({ keepAlive: true, maxSockets: 16, rejectUnauthorized: false });
  }

  /** Asks with the token; of a stream of events the beginning is the answer. */
  ask({ method, path, headers, body }: ApiRequest): Promise<ApiAnswer> {
    return new Promise((resolve, reject) => {
      const where = { host: this.#host, port: 8_443, agent: this.#agent, method, path };
      const own = {
        authorization: `Bearer ${this.token}`,
        // Said by ourselves, because Node expects no body with some methods and frames none there.
        ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
      };
      const sent = httpRequest({ ...where, headers: { ...own, ...headers } }, (response) => {
        const parts: Buffer[] = [];
        const end = () => {
          const text = Buffer.concat(parts).toString("utf8");
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        };
        const isStream = response.headers["content-type"] === "text/event-stream";
        response.on("data", (part: Buffer) => {
          parts.push(part);
          if (!isStream) return;
          end();
          response.destroy();
        });
        response.on("end", end);
        response.on("error", () => {});
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }

  /** Ends it; says what it logged as its own mistakes. */
  async stop(): Promise<readonly object[]> {
    this.#agent.destroy();
    await this.program.end();
    return this.program.events.filter(({ msg }) => /fault|failed/.test(msg));
  }
}

/** Puts devices, offices, contents, deployments and a ledger into a database, as if they were real. */
async function fill(data: string, devices: number): Promise<void> {
  const database = await ServerDatabase.open({
    kind: "sqlite",
    path: serverFiles(data).database,
  });
  try {
    const changes = invented(devices);
    for (let from = 0; from < changes.length; from += 5_000) {
      await database.apply(changes.slice(from, from + 5_000));
    }
  } finally {
    await database.close();
  }
}

/** The ids of contents of a server that was filled. */
export function contentIds(): readonly ContentId[] {
  return Array.from({ length: CONTENTS }, (_, index) => hex(0xc0_00_00 + index, 64) as ContentId);
}

/** The ids of some devices of a server that was filled. */
export function deviceIds(count: number): readonly DeviceId[] {
  return Array.from({ length: count }, (_, index) => hex(index + 1, 32) as DeviceId);
}

function invented(devices: number): Change[] {
  const offices = Array.from({ length: OFFICES }, (_, index) => ({
    name: `Office ${index}`,
    ...(index === 0 ? {} : { parent: `Office ${(index - 1) >> 1}` }),
    type: index % 7 === 6 ? "wifi" : "default",
    subnets: [`10.${index}.0.0/16`],
  }));
  const rows = deviceIds(devices).map((deviceId, index): Change => {
    const hosts = [`10.${index % OFFICES}.${(index >> 8) & 0xff}.${index & 0xff}`];
    return {
      kind: "device-put",
      device: {
        ...{ deviceId, hostName: `pc-${hex(Math.imul(index, 2_654_435_761) >>> 0, 8)}` },
        ...{ machineId: `m${index}`, office: `Office ${index % OFFICES}`, hosts },
        ...{ seenHost: hosts[0] ?? "", portOffset: 0, facts: NO_FACTS, productVersion: "0.1.0" },
        attributes: [],
        ...{ enrolledAtMs: 1_700_000_000_000 + index, lastSeenAtMs: 1_750_000_000_000 - index },
      },
    };
  });
  return [
    { kind: "offices-replace", offices: { generated: false, offices }, officeKeys: new Map() },
    ...rows,
    ...distributed(),
  ];
}

function distributed(): Change[] {
  const [publishedBy] = deviceIds(1);
  if (publishedBy === undefined) return [];
  const contents = contentIds().map((contentId, index): Change => {
    const facts = { name: `tool-${index}`, version: `${index}.0`, type: "application" };
    const sizes = { sizeBytes: 1_000 * (index + 1), pieces: 1, files: 1 };
    const publisher = { publisher: hex(1, 64), publisherName: "it", sha256: hex(index, 64) };
    const published = { publishedAtMs: 1_700_000_000_000 + index, publishedBy };
    const content = { contentId, ...facts, ...sizes, ...publisher, ...published };
    return { kind: "content-add", content, files: [], manifest: Uint8Array.of(1) };
  });
  const deployments = Array.from({ length: DEPLOYMENTS }, (_, index): Change => {
    const contentId = contentIds()[index % CONTENTS] ?? (hex(0, 64) as ContentId);
    const targets = { offices: [`Office ${index}`] };
    const row = { deploymentId: hex(index + 1, 16), contentId, targets, priority: "low" as const };
    return {
      kind: "deployment-put",
      deployment: {
        ...{ ...row, place: 0, windows: [], runAction: false, directives: [], revision: 1 },
        createdAtMs: 1_750_000_000_000 + index,
      },
    };
  });
  const ledger = contentIds().map((contentId, index): Change => {
    const bytes = { wanBytes: 2_500 * index, lanBytes: 10, originBytes: 0 };
    return {
      kind: "ledger-put",
      row: { contentId, office: `Office ${index}`, ...bytes, devices: 3 },
    };
  });
  return [...contents, ...deployments, ...ledger];
}

function hex(value: number, length: number): string {
  return value.toString(16).padStart(length, "0");
}
