import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { decodeContentInformation, segmentsOf } from "../../src/branchcache/content-information.ts";
import {
  encodeBatchedOffer,
  encodeHostedCacheRequestV1,
  HOSTED_CACHE_PATH_V1,
  HOSTED_CACHE_PATH_V2,
} from "../../src/branchcache/hosted-cache-message.ts";
import { RETRIEVAL_PATH } from "../../src/branchcache/retrieval-limits.ts";
import { encodeRequest } from "../../src/branchcache/retrieval-message.ts";
import type { DownloadReport } from "../../src/peerdist/branchcache-program.ts";
import { branchCacheCrypto as crypto } from "../../src/peerdist/node-crypto.ts";
import { Program, runForJson, runForProblem } from "./support/programs.ts";
import { waitFor } from "./support/waiting.ts";

/** No other test has programs on this network. */
const SERVER = "127.77.71.1";
const HOSTED = "127.77.71.2";
const PORT = 8_445;
const SIZE = 5_000_003;
const BOTH = "MinContentInformation=1.0, MaxContentInformation=2.0";

let home: string;
let content: Uint8Array;
let server: Program;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "branchline-branchcache-"));
  content = crypto.randomBytes(SIZE);
  await mkdir(join(home, "files", "below"), { recursive: true });
  await writeFile(join(home, "files", "a file.bin"), content);
  await writeFile(join(home, "files", "below", "small"), "hello");
  server = Program.start(
    ["content-server", "run", "--dir", join(home, "files"), "--data", join(home, "server")].concat([
      "--set",
      `network.address=${SERVER}`,
      "--port",
      String(PORT),
    ]),
    { home },
  );
  await waitFor("the hashes", () => server.events.find(({ msg }) => msg === "content-hashed"));
});

afterAll(async () => {
  await server.end();
  await rm(home, { recursive: true });
});

const path = "/content/a%20file.bin";

describe("a content server with content information", () => {
  test.each([
    {
      rule: "PT3, PT4: version 1 to a client of 1.0",
      peerDist: "Version=1.0",
      ex: BOTH,
      version: 1,
      answer: "1.0",
    },
    {
      rule: "PT3: version 1 without a range of versions",
      peerDist: "Version=1.1",
      ex: undefined,
      version: 1,
      answer: "1.1",
    },
    {
      rule: "PT3: version 2 to who takes it",
      peerDist: "Version=1.1",
      ex: BOTH,
      version: 2,
      answer: "1.1",
    },
  ])("$rule, which describes the file", async ({ peerDist, ex, version, answer }) => {
    const response = await get(path, peerDistHeaders(peerDist, ex));
    const information = decodeContentInformation(response.body);
    if (!information.ok) throw new Error(information.error);
    const segments = segmentsOf(crypto, information.value);

    expect(information.value.version).toBe(version);
    expect(response.headers["content-encoding"]).toBe("peerdist");
    expect(response.headers["x-p2p-peerdist"]).toBe(`Version=${answer}, ContentLength=${SIZE}`);
    expect(response.headers.etag).toBeDefined();
    expect(segments.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)).toBe(SIZE);
    for (const { scheme, blockHashes, offsetBytes, blockSizeBytes } of segments) {
      const block = content.subarray(offsetBytes, offsetBytes + blockSizeBytes);
      expect(crypto.hash(scheme.hash, block).subarray(0, 32)).toEqual(blockHashes.slice(0, 32));
    }
  });

  test("PT5: content information of a part has the length of the part", async () => {
    const headers = { ...peerDistHeaders("Version=1.1", BOTH), Range: "bytes=200000-299999" };
    const response = await get(path, headers);

    expect(response.status).toBe(206);
    expect(response.headers["x-p2p-peerdist"]).toBe("Version=1.1, ContentLength=100000");
    expect(response.headers["content-range"]).toBe(`bytes 200000-299999/${SIZE}`);
    expect(decodeContentInformation(response.body).ok).toBe(true);
  });
});

describe("a content server without it", () => {
  test("PT1: sends a file as it is, and parts of it, to those who know nothing of this", async () => {
    const whole = await get(path);
    const part = await get(path, { Range: "bytes=100-199" });
    const end = await get(path, { Range: "bytes=-3" });

    expect(whole.status).toBe(200);
    expect(Buffer.compare(whole.body, content)).toBe(0);
    expect(whole.headers.vary).toBe("Accept-Encoding, X-P2P-PeerDist, X-P2P-PeerDistEx");
    expect(part).toMatchObject({ status: 206, body: content.subarray(100, 200) });
    expect(part.headers["content-range"]).toBe(`bytes 100-199/${SIZE}`);
    expect(end.body).toEqual(content.subarray(-3));
    expect((await get(path, { Range: `bytes=${SIZE}-` })).status).toBe(416);
    const tag = String(whole.headers.etag);
    expect((await get(path, { "If-None-Match": tag })).status).toBe(304);
    expect((await get(path, { Range: "bytes=0-1", "If-Range": '"other"' })).status).toBe(200);
  });

  test.each([
    ["PT1: without the coding", { "X-P2P-PeerDist": "Version=1.1" }],
    ["PT4: in another version", peerDistHeaders("Version=9.0", BOTH)],
    ["PT2: with a version that is none", peerDistHeaders("Version=x", BOTH)],
    [
      "PT3: with no structure that we have",
      peerDistHeaders("Version=1.1", "MinContentInformation=900.0"),
    ],
    [
      "PT8: with a flag that is none",
      peerDistHeaders("Version=1.1, MissingDataRequest=maybe", BOTH),
    ],
  ])("%s a request is answered plainly", async (_, headers) => {
    const response = await get(path, headers);

    expect(response.headers["content-encoding"]).toBeUndefined();
    expect(response.body.length).toBe(SIZE);
  });

  test("PT8: counts what nobody else had", async () => {
    const missed = async () =>
      (await counters("content-server", "server"))["Client Cache Miss Bytes"] ?? 0;
    const before = await missed();
    await get(path, {
      "X-P2P-PeerDist": "Version=1.1, MissingDataRequest=true",
      Range: "bytes=0-999",
    });

    expect(
      await waitFor("the count", async () => ((await missed()) > before ? missed() : undefined)),
    ).toBe(before + 1_000);
  });
});

describe("a content server's files", () => {
  test("PT6: invites to ask again where a file is new, and then has its hashes", async () => {
    await writeFile(join(home, "files", "new"), content);
    const first = await get("/content/new", peerDistHeaders("Version=1.1", BOTH));
    const later = await waitFor("the hashes of the new file", async () => {
      const response = await get(
        "/content/new",
        peerDistHeaders("Version=1.1", `${BOTH}, HashRequest=true`),
      );
      return response.headers["content-encoding"] === "peerdist" ? response : undefined;
    });
    await appendFile(join(home, "files", "new"), "x");
    const changed = await get("/content/new", peerDistHeaders("Version=1.1", BOTH));

    expect(first.headers["x-p2p-peerdistex"]).toBe("MakeHashRequest=true");
    expect(first.body.length).toBe(SIZE);
    expect(later.headers["x-p2p-peerdist"]).toContain(`ContentLength=${SIZE}`);
    expect(changed.headers["content-encoding"]).toBeUndefined();
    expect(changed.body.length).toBe(SIZE + 1);
  });

  test("sends a small file plainly, and nothing that lies outside its folder", async () => {
    const small = await get("/content/below/small", peerDistHeaders("Version=1.1", BOTH));

    expect(Buffer.from(small.body).toString()).toBe("hello");
    for (const outside of [
      "/content/../server/server.key",
      "/content/%2e%2e/server/server.key",
      "/content/..%2fserver%2fserver.key",
      "/content/below",
      "/content/",
      "/",
      "/content/%",
      "/content/below//small",
    ]) {
      expect({ outside, status: (await get(outside)).status }).toEqual({ outside, status: 404 });
    }
    expect((await ask("POST", SERVER, PORT, path)).status).toBe(405);
  });
});

describe("a hosted cache", () => {
  let hosted: Program;
  beforeAll(async () => {
    hosted = Program.start(hostedArgs(), { home });
    await waitFor("the hosted cache", () =>
      hosted.events.find(({ msg }) => msg === "hosted-cache-listening"),
    );
  });
  afterAll(async () => void (await hosted.end()));

  test("HC4 to HC7: is brought what the first client fetched, and serves the second one", async () => {
    const first = await download("first", "127.77.71.3");
    const second = await download("second", "127.77.71.4");
    const third = await download("second", "127.77.71.4");

    expect(first).toMatchObject({
      version: 2,
      bytes: { server: SIZE, hosted: 0 },
      servedBytes: SIZE,
    });
    expect(second).toMatchObject({
      bytes: { server: 0, hosted: SIZE, peer: 0, own: 0 },
      offeredSegments: 0,
    });
    expect(third).toMatchObject({ bytes: { own: SIZE, server: 0, hosted: 0 } });
    const served = await waitFor("the counts", async () => {
      const all = await counters("hosted-cache", "hosted");
      return all["Retrieval: Bytes served"] === SIZE ? all : undefined;
    });
    expect(served["Retrieval: Bytes from server"]).toBe(SIZE);
  });

  test("HC7: still has it after it was killed", async () => {
    await hosted.kill();
    hosted = Program.start(hostedArgs(), { home });
    await waitFor("the hosted cache", () =>
      hosted.events.find(({ msg }) => msg === "hosted-cache-listening"),
    );
    const report = await download("after", "127.77.71.5");

    expect(report.bytes.hosted).toBe(SIZE);
  });

  test.each([
    ["HC1: an offer of version 2.0 at the address of 1.0", HOSTED_CACHE_PATH_V1, offer(), 404],
    ["HC1: an offer cut short", HOSTED_CACHE_PATH_V2, offer().subarray(0, 40), 400],
    ["HC1: an offer of no segment", HOSTED_CACHE_PATH_V2, offer().subarray(0, 16), 400],
    ["HC1: an offer longer than any", HOSTED_CACHE_PATH_V2, new Uint8Array(70_000), 400],
    ["RR10: what is no message", RETRIEVAL_PATH, new Uint8Array(20), 400],
    ["RR10: a message longer than any", RETRIEVAL_PATH, new Uint8Array(100_000), 400],
    [
      "RR5: a question for versions, in any case of letters",
      RETRIEVAL_PATH.toLowerCase(),
      negotiate(),
      200,
    ],
    ["HC4: an offer, without the last slash", HOSTED_CACHE_PATH_V2.slice(0, -1), offer(), 200],
  ])("%s", async (_, path, body, status) => {
    expect((await ask("POST", HOSTED, 8_080, path, {}, body)).status).toBe(status);
  });
});

test.skipIf(!hasOpenssl())(
  "HC1, HC6: a hosted cache takes offers of version 1.0 over TLS",
  async () => {
    const [key, certificate] = [join(home, "tls.key"), join(home, "tls.crt")];
    const files = ["-keyout", key, "-out", certificate, "-subj", "/CN=hosted"];
    spawnSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...files]);
    const settings = ["network.address=127.77.71.8", "network.port=8080", "network.tls_port=8443"];
    settings.push(`tls.certificate=${certificate}`, `tls.key=${key}`);
    const set = settings.flatMap((setting) => ["--set", setting]);
    const args = ["hosted-cache", "run", "--data", join(home, "hosted-tls"), ...set];
    const hosted = Program.start(args, { home });
    onTestFinished(async () => void (await hosted.end()));
    await waitFor("the hosted cache", () =>
      hosted.events.find(({ msg }) => msg === "hosted-cache-listening"),
    );
    const initial = { kind: "initial-offer", port: 80, segmentId: new Uint8Array(32) } as const;
    const answer = await postOverTls("127.77.71.8", encodeHostedCacheRequestV1(initial));

    expect([...answer]).toEqual([0, 0, 0, 1, 1]);
  },
);

test("CI13: two servers with one key describe a file alike, with another one otherwise", async () => {
  const key = join(home, "farm.key");
  const other = ["--data", join(home, "other")];
  const { body: mine } = await get("/content/a%20file.bin", peerDistHeaders("Version=1.1", BOTH));
  await runForJson(
    ["content-server", "key", "export", key, "--passphrase", "p", "--data", join(home, "server")],
    { home },
  );
  const wrong = await runForProblem(
    ["content-server", "key", "import", key, "--passphrase", "q", ...other],
    { home },
  );
  await runForJson(["content-server", "key", "import", key, "--passphrase", "p", ...other], {
    home,
  });
  const same = await describeBy("127.77.71.6", other);
  await runForJson(["content-server", "key", "set", "--passphrase", "r", ...other], { home });
  const differently = await describeBy("127.77.71.7", other);

  expect(wrong.code).toBe("branchcache-key-wrong");
  expect(Buffer.compare(same, mine)).toBe(0);
  expect(Buffer.compare(differently, mine)).not.toBe(0);
});

test("says which port is taken and what to do, and that a file is there already", async () => {
  const taken = await runForProblem(
    ["branchcache", "peer", "--data", join(home, "p"), "--set", `network.address=${SERVER}`].concat(
      ["--set", `network.port=${PORT}`, "--set", "discovery.enabled=false"],
    ),
    { home },
  );
  const there = await runForProblem(
    [
      "branchcache",
      "get",
      `http://${SERVER}:${PORT}/content/new`,
      "--data",
      join(home, "p"),
    ].concat(["--out", join(home, "files", "a file.bin"), "--set", "discovery.enabled=false"]),
    { home },
  );
  const missing = await runForProblem(
    [
      "branchcache",
      "get",
      `http://${SERVER}:${PORT}/content/none`,
      "--data",
      join(home, "p"),
    ].concat(["--out", join(home, "none"), "--set", "discovery.enabled=false"]),
    { home },
  );

  expect(taken).toMatchObject({
    code: "branchcache-port-in-use",
    message: expect.stringContaining("network.port"),
  });
  expect(there.code).toBe("file-exists");
  expect(missing.code).toBe("branchcache-server-refused");
  expect(() => readFileSync(join(home, "none.part"))).toThrow();
});

type Response = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
};

async function get(
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return await ask("GET", SERVER, PORT, path, headers);
}

async function ask(
  method: string,
  host: string,
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: Uint8Array,
): Promise<Response> {
  return await new Promise((resolve, reject) => {
    const asked = httpRequest({ host, port, path, method, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => {
        const { statusCode: status = 0, headers: got } = response;
        resolve({ status, headers: got, body: new Uint8Array(Buffer.concat(parts)) });
      });
      response.on("error", reject);
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

function peerDistHeaders(peerDist: string, ex: string | undefined): Record<string, string> {
  const headers = { "Accept-Encoding": "gzip, peerdist", "X-P2P-PeerDist": peerDist };
  return ex === undefined ? headers : { ...headers, "X-P2P-PeerDistEx": ex };
}

async function counters(program: string, folder: string): Promise<Record<string, number>> {
  return await runForJson([program, "counters", "--data", join(home, folder)], { home });
}

function hostedArgs(): readonly string[] {
  const settings = [`network.address=${HOSTED}`, "network.port=8080"];
  return ["hosted-cache", "run", "--data", join(home, "hosted")].concat(
    settings.flatMap((setting) => ["--set", setting]),
  );
}

async function download(name: string, address: string): Promise<DownloadReport> {
  const settings = [`network.address=${address}`, "network.port=8081", "discovery.enabled=false"];
  settings.push(`hosted.host=${HOSTED}`, "hosted.port=8080");
  const out = join(home, `${name}-${Math.random()}.out`);
  const report = await runForJson<DownloadReport>(
    ["branchcache", "get", `http://${SERVER}:${PORT}/content/a%20file.bin`, "--out", out].concat([
      "--data",
      join(home, name),
      ...settings.flatMap((setting) => ["--set", setting]),
    ]),
    { home },
  );
  expect(Buffer.compare(await readFile(out), content)).toBe(0);
  return report;
}

async function describeBy(address: string, data: readonly string[]): Promise<Uint8Array> {
  const args = ["content-server", "run", "--dir", join(home, "files"), ...data];
  const program = Program.start(args.concat(["--set", `network.address=${address}`]), { home });
  onTestFinished(async () => void (await program.end()));
  return await waitFor("the other server", async () => {
    const headers = peerDistHeaders("Version=1.1", BOTH);
    const response = await ask("GET", address, PORT, "/content/a%20file.bin", headers).catch(
      () => undefined,
    );
    return response?.headers["content-encoding"] === "peerdist" ? response.body : undefined;
  });
}

function hasOpenssl(): boolean {
  return spawnSync("openssl", ["version"], { stdio: "ignore" }).status === 0;
}

async function postOverTls(host: string, body: Uint8Array): Promise<Uint8Array> {
  return await new Promise((resolve, reject) => {
    const headers = { "Content-Length": body.length };
    // The certificate is nobody's: what is tried here is the address, not the trust in it.
    const tls = { port: 8_443, path: HOSTED_CACHE_PATH_V1, rejectUnauthorized: false };
    const asked = httpsRequest({ host, ...tls, method: "POST", headers, agent: false });
    asked.on("error", reject);
    asked.on("response", (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => resolve(new Uint8Array(Buffer.concat(parts))));
    });
    asked.end(body);
  });
}

function offer(): Uint8Array {
  const segment = {
    version: 2,
    blockSizeBytes: 9,
    lengthBytes: 9,
    contentTag: new Uint8Array(16),
    segmentId: new Uint8Array(32),
  } as const;
  return encodeBatchedOffer({ kind: "batched-offer", port: 1, segments: [segment] });
}

function negotiate(): Uint8Array {
  const version = { major: 1, minor: 0 };
  return encodeRequest({
    cipher: "none",
    message: { kind: "negotiate", least: version, most: version },
  });
}
