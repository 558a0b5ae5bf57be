import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Origins } from "../../src/agent/origin/origins.ts";
import type { OriginInput, OriginRange } from "../../src/effects/origin.ts";
import { createAuthority } from "../../src/runtime/identity/authority.ts";
import { newFolder, noise } from "./fixtures/store-world.ts";
import { waitFor } from "./support/waiting.ts";

const PACKAGE = noise(1, 300_000);
const NAME = "0123abcd";
const NGINX = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].find((path) => existsSync(path));

/** What web servers do that they should not, and what it is called. */
const FAULTS = faults();

let authorityDer: Uint8Array;
let origins: Origins;
let answers: OriginInput[];
let onAnswer: () => void;
let server: Server;

beforeAll(async () => {
  ({ certificateDer: authorityDer } = await createAuthority("Acme", 1_700_000_000));
});

beforeEach(() => {
  answers = [];
  onAnswer = () => {};
  server = createServer();
  origins = new Origins({
    server: { host: "127.0.0.1", authorityDer, organisation: "Acme" },
    waits: { connectMs: 300, silenceMs: 300 },
    onInput: (input) => {
      answers.push(input);
      onAnswer();
    },
  });
});

afterEach(() => {
  origins.close();
  server.closeAllConnections();
  server.close();
});

describe("a web server", () => {
  test("brings the range that was asked for, over connections that are kept", async () => {
    const connections = new Set<unknown>();
    const location = await serve(packageServer());
    server.on("connection", (socket) => connections.add(socket));

    for (let at = 0; at < PACKAGE.length; at += 100_000) {
      expect(await fetched(location, at, 100_000)).toEqual(PACKAGE.slice(at, at + 100_000));
    }
    expect(connections.size).toBe(1);
  });

  test("is asked over four connections at most", async () => {
    let open = 0;
    let most = 0;
    const location = await serve(packageServer());
    server.on("connection", (socket) => {
      open += 1;
      most = Math.max(most, open);
      socket.on("close", () => {
        open -= 1;
      });
    });

    for (let ticket = 0; ticket < 20; ticket += 1) {
      origins.fetchRange(ticket, rangeOf(location, ticket * 10_000, 10_000));
    }
    while (answers.length < 20) await nextAnswer();

    expect(most).toBe(4);
    expect(answers.map(({ ticket }) => ticket).sort((a, b) => a - b)).toEqual([
      ...Array(20).keys(),
    ]);
    expect(answers.every(({ kind }) => kind === "range-fetched")).toBe(true);
  });

  test("that has the package under a path of its own is asked there, after redirects", async () => {
    const paths: string[] = [];
    const files = packageServer();
    const location = await serve((request, response) => {
      paths.push(request.url ?? "");
      if (request.url?.startsWith("/new/")) files(request, response);
      else response.writeHead(302, { location: `/new/${NAME}` }).end("moved");
    });

    expect(await fetched(`${location}/old/`, 5, 10)).toEqual(PACKAGE.slice(5, 15));
    expect(paths).toEqual([`/old/${NAME}`, `/new/${NAME}`]);
  });
});

describe("a web server at fault", () => {
  test.each(FAULTS)("that %s is at fault: %s", async (_what, fault, listener) => {
    const location = await serve(listener);

    const failed = await failure(location, 0, 100);

    expect(failed.fault).toBe(fault);
    expect(failed.problem).toContain(location);
  });

  test("that answers with all of it is not listened to until the end", async () => {
    let sentBytes = 0;
    const location = await serve((_, response) => {
      response.writeHead(200);
      const more = (): void => {
        if (response.destroyed || sentBytes > 100_000_000) return;
        sentBytes += PACKAGE.length;
        response.write(PACKAGE, more);
      };
      more();
    });

    expect((await failure(location, 0, 100)).fault).toBe("ignores-ranges");
    expect(sentBytes).toBeLessThan(100_000_000);
  });

  test("that is not there, or speaks something else, is unreachable", async () => {
    const closed = await serve(() => {});
    server.close();
    expect((await failure(closed, 0, 10)).problem).toMatch(/ECONNREFUSED/);

    const babbler = createTcpServer((socket) => socket.end("hello\r\n\r\n")).listen(0, "127.0.0.1");
    await once(babbler, "listening");
    const { port } = babbler.address() as AddressInfo;
    for (const scheme of ["http", "https"]) {
      expect((await failure(`${scheme}://127.0.0.1:${port}`, 0, 10)).fault).toBe("unreachable");
    }
    babbler.close();
  });

  test("whose password stands in the address is asked with it, and it is never told", async () => {
    const seen: (string | undefined)[] = [];
    const location = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(500).end();
    });

    const failed = await failure(location.replace("://", "://user:secret@"), 0, 10);

    expect(seen).toEqual([`Basic ${Buffer.from("user:secret").toString("base64")}`]);
    expect(failed.problem).not.toContain("secret");
  });
});

describe("a folder", () => {
  test("brings the range that was asked for", async () => {
    const folder = await folderWith(PACKAGE);
    expect(await fetched(folder, 1000, 5000)).toEqual(PACKAGE.slice(1000, 6000));
    expect(await fetched(`file://${folder}`, 0, 10)).toEqual(PACKAGE.slice(0, 10));
  });

  test("without the package, with another one or with a folder of its name is at fault", async () => {
    const folder = await newFolder();
    expect((await failure(folder, 0, 10)).fault).toBe("absent");
    expect((await failure(join(folder, "none"), 0, 10)).fault).toBe("absent");
    expect((await failure(await folderWith(noise(1, 10)), 0, 10)).fault).toBe("wrong-length");
    await mkdir(join(folder, NAME));
    expect((await failure(folder, 0, 10)).fault).toBe("absent");
    expect((await failure("not/whole", 0, 10)).fault).toBe("unreachable");
  });
});

describe.skipIf(NGINX === undefined)(
  `nginx${NGINX === undefined ? " (skipped: it is not installed)" : ""}`,
  () => {
    let nginx: ChildProcess;

    afterEach(async () => {
      nginx.kill("SIGTERM");
      await once(nginx, "exit");
    });

    test("brings every range of a package, and says where there is none", async () => {
      const folder = await folderWith(PACKAGE);
      const location = await startNginx(folder);

      for (const [at, length] of [
        [0, 1],
        [0, PACKAGE.length],
        [PACKAGE.length - 1, 1],
        [12_345, 100_000],
      ] as const) {
        expect(await fetched(location, at, length)).toEqual(PACKAGE.slice(at, at + length));
      }
      expect((await failure(`${location}/elsewhere`, 0, 10)).fault).toBe("absent");
      await writeFile(join(folder, NAME), noise(2, 1000));
      expect((await failure(location, 0, 10)).fault).toBe("wrong-length");
    });

    async function startNginx(root: string): Promise<string> {
      const port = await freePort();
      const own = await newFolder();
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((name) => `${name}_temp_path ${own}/${name};`)
        .join("\n");
      // Its worker is another account, which may not look into a test's folder.
      const user = process.getuid?.() === 0 ? "user root;" : "";
      await writeFile(
        join(own, "nginx.conf"),
        `${user} daemon off; worker_processes 1; pid ${own}/pid; error_log ${own}/error.log;
         events {} http { access_log off; ${temporary}
         server { listen 127.0.0.1:${port}; root ${root}; } }`,
      );
      const arguments_ = ["-p", own, "-e", `${own}/error.log`, "-c", join(own, "nginx.conf")];
      nginx = spawn(NGINX ?? "", arguments_, { stdio: "ignore" });
      await waitFor("nginx", async () => {
        const answer = await ask(`http://127.0.0.1:${port}`, 0, 1);
        return answer.kind === "range-fetched" || undefined;
      });
      return `http://127.0.0.1:${port}`;
    }
  },
);

type FaultCase = readonly [what: string, fault: string, listener: RequestListener];

function faults(): FaultCase[] {
  const total = PACKAGE.length;
  const right = { "content-range": `bytes 0-99/${total}`, "content-length": 100 };
  return [
    ["answers with all of it", "ignores-ranges", (_, r) => r.writeHead(200).end(PACKAGE)],
    ["does not have it", "absent", (_, r) => r.writeHead(404).end("no")],
    ["has it no longer", "absent", (_, r) => r.writeHead(410).end()],
    ["asks for rights", "unreachable", (_, r) => r.writeHead(403).end()],
    ["asks for a password", "unreachable", (_, r) => r.writeHead(401).end()],
    ["is broken", "unreachable", (_, r) => r.writeHead(503).end("later")],
    [
      "has a package of another length",
      "wrong-length",
      (_, r) => r.writeHead(206, { ...right, "content-range": "bytes 0-99/299999" }).end(),
    ],
    [
      "answers with another range",
      "wrong-length",
      (_, r) => r.writeHead(206, { ...right, "content-range": `bytes 1-100/${total}` }).end(),
    ],
    [
      "says that the range lies behind the end",
      "wrong-length",
      (_, r) => r.writeHead(416, { "content-range": "bytes */50" }).end(),
    ],
    ["says no range", "wrong-length", (_, r) => r.writeHead(206).end(PACKAGE.slice(0, 100))],
    [
      "compresses what it sends",
      "wrong-length",
      (_, r) => r.writeHead(206, { ...right, "content-encoding": "gzip" }).end(),
    ],
    [
      "says another length of the answer",
      "wrong-length",
      (_, r) => r.writeHead(206, { ...right, "content-length": 99 }).end(PACKAGE.slice(0, 99)),
    ],
    [
      "sends more than it was asked for",
      "wrong-length",
      (_, r) => r.writeHead(206, { "content-range": right["content-range"] }).end(PACKAGE),
    ],
    [
      "sends less than it was asked for, and ends",
      "wrong-length",
      (_, r) => r.writeHead(206, { "content-range": right["content-range"] }).end("short"),
    ],
    [
      "breaks off",
      "broken-off",
      (_, r) => {
        r.writeHead(206, right).write(PACKAGE.slice(0, 50));
        setImmediate(() => r.destroy());
      },
    ],
    [
      "stops in the middle",
      "broken-off",
      (_, r) => r.writeHead(206, right).write(PACKAGE.slice(0, 50)),
    ],
    ["never answers", "unreachable", () => {}],
    [
      "redirects in a circle",
      "unreachable",
      (q, r) => r.writeHead(301, { location: q.url ?? "" }).end(),
    ],
    [
      "redirects to a file",
      "unreachable",
      (_, r) => r.writeHead(301, { location: "file:///etc/passwd" }).end(),
    ],
  ];
}

function packageServer(): RequestListener {
  return (request, response) => {
    const [, first = "0", last = "0"] =
      /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const bytes = PACKAGE.slice(Number(first), Number(last) + 1);
    const range = `bytes ${first}-${last}/${PACKAGE.length}`;
    response.writeHead(206, { "content-range": range, "content-length": bytes.length }).end(bytes);
  };
}

async function serve(listener: RequestListener): Promise<string> {
  server.on("request", listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function freePort(): Promise<number> {
  const probe = createTcpServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

function rangeOf(location: string, offsetBytes: number, lengthBytes: number): OriginRange {
  return { location, name: NAME, offsetBytes, lengthBytes, totalBytes: PACKAGE.length };
}

async function ask(location: string, at: number, length: number): Promise<OriginInput> {
  const before = answers.length;
  origins.fetchRange(before, rangeOf(location, at, length));
  while (answers.length === before) await nextAnswer();
  const [answer] = answers.slice(before);
  if (answer === undefined) throw new Error("there is an answer");
  return answer;
}

async function fetched(location: string, at: number, length: number): Promise<Uint8Array> {
  const answer = await ask(location, at, length);
  if (answer.kind === "range-fetched") return answer.bytes;
  throw new Error(answer.problem);
}

async function failure(location: string, at: number, length: number) {
  const answer = await ask(location, at, length);
  if (answer.kind === "range-failed") return answer;
  throw new Error("the range came");
}

function nextAnswer(): Promise<void> {
  return new Promise((resolve) => {
    onAnswer = resolve;
  });
}

async function folderWith(bytes: Uint8Array): Promise<string> {
  const folder = await newFolder();
  await writeFile(join(folder, NAME), bytes);
  return folder;
}
