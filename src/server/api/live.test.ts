import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { SERVER_PAGES } from "../../api/server-pages.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { ApiClient } from "../../runtime/http/client.ts";
import { createRemoteClient } from "../../runtime/http/tls-client.ts";
import { closeFixture, openFixture } from "./test-fixture.ts";
import { CONTENT, DEVICE, TestServer } from "./test-server.ts";

let folder: string;
let server: TestServer;
let client: ApiClient;

beforeEach(async () => {
  ({ folder, server, client } = await openFixture());
});

afterEach(() => closeFixture({ folder, server }));

test("what happens is told, and only to those who want to know it", async () => {
  const all = await listen();
  const ledger = await listen({ topics: "ledger" });
  const deploymentId = await deploy();
  await expect.poll(() => all.kinds()).toContain("deployment.created");
  server.report({ wanInBytes: 1_100, state: "complete" });
  await server.idle();

  await expect.poll(() => all.kinds(), { timeout: 5_000 }).toContain("deployment.finished");

  expect(all.of("deployment.finished")).toMatchObject({
    deployment: { deploymentId, verified: 1 },
  });
  expect(all.kinds()).toEqual(
    expect.arrayContaining(["device.changed", "ledger.changed", "ledger.alarm"]),
  );
  expect(ledger.of("ledger.alarm")).toMatchObject({ entry: { contentId: CONTENT, alarm: true } });
  expect(new Set(ledger.kinds())).toEqual(new Set(["ready", "ledger.changed", "ledger.alarm"]));
});

test("each change of a profile is told, with what it is then", async () => {
  const profiles = await listen({ topics: "profiles" });
  const storage = { storageId: "s1", kind: "directory", location: folder, details: {} } as const;
  const command = { kind: "set-file-storage", storage } as const;
  server.input({ kind: "command", requestNumber: 0, command });
  const values = { diskPercent: 10 };
  await client.call(SERVER_ROUTES.createProfile, { body: { name: "A", values } });
  const params = { name: "A" };
  await client.call(SERVER_ROUTES.changeProfile, { params, body: { values: {} } });
  await client.call(SERVER_ROUTES.removeProfile, { params });

  await expect.poll(() => profiles.kinds()).toContain("profile.removed");

  const told = ["profile.changed", "profile.changed", "profile.removed"];
  expect(profiles.kinds().filter((kind) => kind !== "ready")).toEqual(told);
  expect(profiles.of("profile.changed")).toMatchObject({ profile: { name: "A" } });
  expect(profiles.of("profile.removed")).toMatchObject({ name: "A" });
});

test("whoever comes back is told what it missed, in order and once", async () => {
  const first = await listen({ topics: "deployments" });
  await deploy();
  await expect.poll(() => first.kinds()).toContain("deployment.created");
  first.stop();
  await deploy();
  await deploy();
  await expect.poll(() => server.live?.streams.count).toBe(0);
  const whole = await listen({ topics: "deployments" }, `${await epoch()}-0`);
  await expect
    .poll(() => whole.kinds().filter((kind) => kind === "deployment.created").length)
    .toBe(3);

  const again = await listen({ topics: "deployments" }, first.lastId());

  const created = (stream: Stream) =>
    stream.events.flatMap(({ data, kind }) =>
      kind === "deployment.created" ? [data.deployment.deploymentId] : [],
    );
  expect(created(again)).toEqual(created(whole).slice(1));
});

test("whoever was away too long, or met another start, is told to read anew", async () => {
  for (const [id, reason] of [
    ["1-5", "restarted"],
    [`${await epoch()}-999`, "unknown"],
    ["x", "unknown"],
  ] as const) {
    const stream = await listen({}, id);
    expect(stream.of("reload")).toEqual({ reason });
  }
});

test("a stream ends when its token is revoked", async () => {
  const { token, tokenId } = await client.call(SERVER_ROUTES.createToken, { body: { name: "t" } });
  const remote = await createRemoteClient({
    url: server.url,
    token,
    trust: { ca: server.authority.pem },
  });
  const stream = await listen({}, undefined, remote);
  await client.call(SERVER_ROUTES.revokeToken, { params: { tokenId } });

  await deploy();

  await expect.poll(() => stream.ended()).toBe(true);
  expect(stream.kinds()).toEqual(["ready"]);
});

test("a reader that takes nothing is cut off, and the others are not", async () => {
  const signal = new AbortController();
  const stalled = await client.open(SERVER_PAGES.watchEvents, {}, signal.signal);
  stalled.pause();
  const other = await listen();
  const event = { kind: "offices.replaced", topic: "offices", atMs: 1, count: 1 } as const;
  for (let index = 0; index < 200 && server.live?.streams.count === 2; index += 1) {
    for (let burst = 0; burst < 200; burst += 1) server.live?.streams.tell(event);
    await new Promise((resolve) => setImmediate(resolve));
  }

  expect(server.live?.streams.count).toBe(1);
  expect(other.ended()).toBe(false);
  signal.abort();
});

test("unknown topics are refused", async () => {
  const wrong = client.open(
    SERVER_PAGES.watchEvents,
    { query: { topics: "x" } },
    AbortSignal.timeout(5_000),
  );
  await expect(wrong).rejects.toMatchObject({ code: "request-malformed" });
});

test("every figure that is shown stands on its page, and the other way round", async () => {
  await client.call(SERVER_ROUTES.showServer);
  const page = await readFile(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
  const documented = [...page.matchAll(/^\| `(branchline_[a-z_]+)`/gm)].map(
    ([, name = ""]) => name,
  );

  const text = await figures();

  const shown = [...text.matchAll(/^# TYPE (branchline_[a-z_]+) /gm)].map(([, name = ""]) => name);
  expect(shown.toSorted()).toEqual(documented.toSorted());
  expect(text).toContain('branchline_devices{state="present"} 1');
  expect(text).toMatch(
    /branchline_api_requests_total\{operation="showServer",method="GET",status="200"\} 1/,
  );
});

test("a webhook is told what happens, signed, and its deliveries are listed", async () => {
  const receiver = await receive(() => 204);
  const body = { url: receiver.url, kinds: ["deployment.created" as const] };
  const { webhookId, secret } = await client.call(SERVER_ROUTES.addWebhook, { body });
  const deploymentId = await deploy();

  await expect.poll(() => receiver.calls.length).toBe(1);

  const [call] = receiver.calls;
  const said = JSON.parse(call?.body ?? "");
  expect(said).toMatchObject({
    webhookId,
    kind: "deployment.created",
    deployment: { deploymentId },
  });
  const [, timeS, digest] =
    /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(call?.headers["branchline-signature"])) ?? [];
  expect(digest).toBe(createHmac("sha256", secret).update(`${timeS}.${call?.body}`).digest("hex"));
  expect(Math.abs(Number(timeS) - Date.now() / 1_000)).toBeLessThan(60);
  const params = { webhookId };
  const states = async () =>
    (await client.call(SERVER_ROUTES.listDeliveries, { params })).deliveries.map(
      ({ state }) => state,
    );
  await expect.poll(states).toEqual(["delivered"]);
  expect(JSON.stringify(await client.call(SERVER_ROUTES.listWebhooks))).not.toContain(secret);
});

test("a delivery that fails is tried again, also after a restart, and redirects lead nowhere", async () => {
  const elsewhere = await receive(() => 204);
  const receiver = await receive(() => 302, { location: elsewhere.url });
  const { webhookId } = await client.call(SERVER_ROUTES.addWebhook, {
    body: { url: receiver.url },
  });
  await deploy();
  const params = { webhookId };
  const first = async () =>
    (await client.call(SERVER_ROUTES.listDeliveries, { params })).deliveries[0];
  await expect.poll(async () => (await first())?.attempts).toBe(1);

  const before = await first();
  expect(before).toMatchObject({
    state: "pending",
    outcome: expect.stringContaining("redirects are not"),
  });
  expect((before?.nextAtMs ?? 0) - (before?.createdAtMs ?? 0)).toBeGreaterThan(9_000);
  await server.stop();
  server = await TestServer.start(folder);

  expect(await first()).toEqual(before);
  expect(elsewhere.calls).toEqual([]);
  await client.call(SERVER_ROUTES.removeWebhook, { params });
  await expect(client.call(SERVER_ROUTES.listDeliveries, { params })).rejects.toMatchObject({
    code: "webhook-unknown",
  });
});

test("a webhook is tested at once, and told how it went", async () => {
  const receiver = await receive(() => 500);
  const { webhookId } = await client.call(SERVER_ROUTES.addWebhook, {
    body: { url: receiver.url },
  });

  const tried = await client.call(SERVER_ROUTES.testWebhook, { params: { webhookId } });

  expect(tried).toMatchObject({ kind: "test", state: "failed", attempts: 1, outcome: "HTTP 500" });
  expect(receiver.calls[0]?.headers["branchline-event"]).toBe("test");
});

test.each([
  ["http://10.0.0.1/", "destination-forbidden"],
  ["http://169.254.169.254/latest/meta-data", "destination-forbidden"],
  ["http://[::1]:80/", "destination-forbidden"],
  ["http://[::ffff:10.0.0.1]/", "destination-forbidden"],
  ["http://0x0a000001/", "destination-forbidden"],
  ["http://0.0.0.0/", "destination-forbidden"],
  ["https://user:pw@example.com/", "webhook-url"],
  ["ftp://127.0.0.1/", "webhook-url"],
  ["file:///etc/passwd", "webhook-url"],
  ["http://no.such.name.invalid/", "destination-unknown"],
])("a webhook may not lead to %s: %s", async (url, code) => {
  await expect(client.call(SERVER_ROUTES.addWebhook, { body: { url } })).rejects.toMatchObject({
    code,
  });
});

type Said = {
  readonly kind: string;
  readonly id: string;
  readonly data: ReturnType<typeof JSON.parse>;
};

type Stream = {
  readonly events: readonly Said[];
  kinds(): readonly string[];
  of(kind: string): unknown;
  lastId(): string;
  ended(): boolean;
  stop(): void;
};

/** Reads a stream of events; resolves once it has begun. */
async function listen(query: object = {}, lastId?: string, by = client): Promise<Stream> {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const headers = lastId === undefined ? {} : { "last-event-id": lastId };
  const response = await by.open(SERVER_PAGES.watchEvents, { query, headers }, controller.signal);
  const events: Said[] = [];
  let ended = false;
  let text = "";
  response.setEncoding("utf8");
  response.on("data", (part: string) => {
    text += part;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const [, id = "", kind = "", data = ""] =
        /^id: (.+)\nevent: (.+)\ndata: (.+)$/.exec(text.slice(0, end)) ?? [];
      if (kind !== "") events.push({ kind, id, data: JSON.parse(data) });
      text = text.slice(end + 2);
    }
  });
  response.on("close", () => {
    ended = true;
  });
  response.on("error", () => {});
  await expect
    .poll(() => events.some(({ kind }) => kind === "ready" || kind === "reload"))
    .toBe(true);
  return {
    events,
    kinds: () => events.map(({ kind }) => kind),
    of: (kind) => events.find((one) => one.kind === kind)?.data,
    lastId: () => events.at(-1)?.id ?? "",
    ended: () => ended,
    stop: () => controller.abort(),
  };
}

async function deploy(): Promise<string> {
  const body = { contentId: CONTENT, targets: { devices: [DEVICE] } };
  return (await client.call(SERVER_ROUTES.deploy, { body })).deploymentId;
}

async function epoch(): Promise<number> {
  return (await client.call(SERVER_ROUTES.showServer)).epoch;
}

async function figures(): Promise<string> {
  const response = await client.open(SERVER_PAGES.showMetrics, {}, AbortSignal.timeout(5_000));
  let text = "";
  for await (const part of response) text += part;
  return text;
}

/** Somebody who is called by webhooks. */
async function receive(answer: () => number, headers: Record<string, string> = {}) {
  const calls: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  const listener: Server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    calls.push({ headers: request.headers, body });
    response.writeHead(answer(), headers).end();
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  onTestFinished(() => void listener.close());
  const { port } = listener.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/hook`, calls };
}
