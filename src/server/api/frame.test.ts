import { type RequestOptions, request } from "node:https";
import { join } from "node:path";
import { connect } from "node:tls";
import { Validator } from "@seriousme/openapi-schema-validator";
import { afterEach, beforeEach, expect, test } from "vitest";
import { serverOpenApi } from "../../api/server-openapi.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { createControlClient } from "../../runtime/http/control-client.ts";
import { createRemoteClient } from "../../runtime/http/tls-client.ts";
import { closeFixture, openFixture } from "./test-fixture.ts";
import { CONTENT, TestServer } from "./test-server.ts";

let folder: string;
let server: TestServer;
let token: string;

beforeEach(async () => {
  ({ folder, server } = await openFixture());
  ({ token } = await local(SERVER_ROUTES.createToken, { body: { name: "tests" } }));
});

afterEach(() => closeFixture({ folder, server }));

test("whoever has a token and trusts the authority uses the API over TLS", async () => {
  const { url, authority } = server;
  const byFile = await createRemoteClient({ url, token, trust: { ca: authority.pem } });
  const { fingerprint } = authority;
  const byFingerprint = await createRemoteClient({ url, token, trust: { fingerprint } });

  expect(await byFile.call(SERVER_ROUTES.showServer)).toMatchObject({ organisation: "Acme" });
  expect(await byFingerprint.call(SERVER_ROUTES.showServer)).toMatchObject({
    epoch: expect.any(Number),
  });
});

test("a server that is not the one that was meant is told nothing", async () => {
  const { url } = server;
  const other = { fingerprint: "0".repeat(64) };
  await expect(createRemoteClient({ url, token, trust: other })).rejects.toMatchObject({
    code: "api-untrusted",
  });

  const unknown = await createRemoteClient({ url, token, trust: {} });
  await expect(unknown.call(SERVER_ROUTES.showServer)).rejects.toMatchObject({
    code: "api-untrusted",
  });
  const elsewhere = new URL("https://127.0.0.1:1");
  const nobody = await createRemoteClient({
    url: elsewhere,
    token,
    trust: { ca: server.authority.pem },
  });
  await expect(nobody.call(SERVER_ROUTES.showServer)).rejects.toMatchObject({
    code: "api-unreachable",
  });
});

test("without a good token there is nothing but 401, and what is open to all", async () => {
  const header = (authorization?: string) =>
    ask("/api/v1/server", authorization === undefined ? {} : { headers: { authorization } });
  const near = `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`;
  for (const [authorization, code] of [
    [undefined, "token-missing"],
    ["Basic eDp5", "token-missing"],
    ["Bearer ", "token-missing"],
    [`Bearer ${near}`, "token-wrong"],
    [`Bearer ${"x".repeat(5_000)}`, "token-wrong"],
  ] as const) {
    const answer = await header(authorization);
    expect(answer.status).toBe(401);
    expect(answer.headers["www-authenticate"]).toBe('Bearer realm="branchline"');
    expect(problemOf(answer)).toMatchObject({ code, status: 401 });
  }
  expect((await header(`Bearer ${token}`)).status).toBe(200);
  expect((await ask("/api/v1/nowhere")).status).toBe(401);
  for (const path of ["/livez", "/readyz", "/api/v1/openapi.json", "/api/docs/"]) {
    expect({ path, status: (await ask(path)).status }).toEqual({ path, status: 200 });
  }
});

test("a token is worth nothing once it is revoked or has expired, and survives a restart", async () => {
  const soon = Date.now() + 1_000;
  const brief = await local(SERVER_ROUTES.createToken, {
    body: { name: "brief", expiresAtMs: soon },
  });
  const status = async (shown: string) =>
    (await ask("/api/v1/server", { headers: { authorization: `Bearer ${shown}` } })).status;
  expect(await status(brief.token)).toBe(200);

  await server.stop();
  server = await TestServer.start(folder);

  expect(await status(token)).toBe(200);
  await expect.poll(() => status(brief.token), { timeout: 10_000 }).toBe(401);
  const { tokens } = await local(SERVER_ROUTES.listTokens);
  expect(tokens.map(({ name }) => name).toSorted()).toEqual(["brief", "tests"]);
  for (const { tokenId } of tokens) await local(SERVER_ROUTES.revokeToken, { params: { tokenId } });
  expect(await status(token)).toBe(401);
  expect(JSON.stringify(tokens)).not.toContain(token);
});

test("no file of the server holds a token", async () => {
  const { readdir, readFile } = await import("node:fs/promises");
  for (const name of await readdir(folder)) {
    if (name.endsWith(".sock")) continue;
    expect((await readFile(join(folder, name))).includes(token)).toBe(false);
  }
});

test("what is wrong in a request is named by pointers", async () => {
  const body = { contentId: "zz", targets: { offices: [1], everyone: true } };
  const answer = await asked("/api/v1/deployments", { method: "POST" }, JSON.stringify(body));

  expect(answer.status).toBe(400);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  const { errors, code } = problemOf(answer);
  expect(code).toBe("request-malformed");
  expect(errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual([
    "/contentId",
    "/targets/everyone",
    "/targets/offices/0",
  ]);
  const query = await asked("/api/v1/server?a%20b=1");
  expect(problemOf(query).errors).toMatchObject([{ in: "query", pointer: "/a b" }]);
});

test.each([
  ["POST", "/api/v1/deployments", "{", 400, "body-not-json"],
  ["POST", "/api/v1/deployments", "", 400, "body-not-json"],
  ["POST", "/api/v1/deployments", "[]", 400, "request-malformed"],
  ["POST", "/api/v1/deployments", '{"__proto__":{"x":1}}', 400, "body-not-json"],
  ["POST", "/api/v1/deployments", `"${"x".repeat(1_100_000)}"`, 413, "body-too-large"],
  ["POST", "/api/v1/security-keys", '{"usesMax":1}', 400, "request-malformed"],
  ["GET", "/api/v1/nowhere", undefined, 404, "route-not-found"],
  ["GET", "/api/v1/devices/%zz", undefined, 400, "request-malformed"],
  ["GET", "/api/v1/devices/..%2f..%2fetc", undefined, 400, "request-malformed"],
  ["DELETE", "/api/v1/devices", undefined, 405, "method-not-allowed"],
  ["PATCH", "/api/v1/topology", "{}", 405, "method-not-allowed"],
] as const)("$0 $1 is a problem document: $3 $4", async (method, path, body, status, code) => {
  const answer = await asked(path, { method }, body);

  expect(answer.status).toBe(status);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  expect(problemOf(answer)).toMatchObject({
    status,
    code,
    detail: expect.stringMatching(/.{20}/),
  });
});

test("another form of body than JSON is refused, and 405 says what is allowed", async () => {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const form = await asked("/api/v1/deployments", { method: "POST", headers }, "a=b");
  expect([form.status, problemOf(form).code]).toEqual([415, "media-type-unknown"]);

  const wrong = await asked("/api/v1/topology", { method: "DELETE" });
  expect(wrong.headers.allow).toBe("GET, HEAD, PUT");
});

test("what is no HTTP is a problem document too", async () => {
  const { port } = server.url;
  const socket = connect({ host: "127.0.0.1", port: Number(port), ca: server.authority.pem });
  socket.write("GET / HTTP/1.1\r\nbad header\r\n\r\n");
  let text = "";
  for await (const part of socket) text += part;

  expect(text).toMatch(/^HTTP\/1\.1 400 /);
  expect(text).toContain("application/problem+json");
});

test("nothing that a caller sends comes back in a header, or breaks a line of the answer", async () => {
  const hostile = "/api/v1/x%0d%0aset-cookie:%20a=b";
  const answer = await asked(hostile, {
    headers: { "x-request-id": "evil", origin: "https://evil.example" },
  });

  expect(answer.status).toBe(404);
  expect(Object.keys(answer.headers).toSorted()).toEqual([
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "x-content-type-options",
  ]);
  expect(JSON.stringify(answer.headers)).not.toContain("evil");
});

test("an answer that is still what the caller has is not sent again", async () => {
  const first = await asked("/api/v1/topology");
  const etag = first.headers.etag ?? "";
  expect((await asked("/api/v1/topology", { headers: { "if-none-match": etag } })).status).toBe(
    304,
  );
  expect((await asked("/api/v1/topology", { headers: { "if-none-match": '"x"' } })).status).toBe(
    200,
  );
});

test("a change of what has changed meanwhile is refused", async () => {
  const offices = [{ name: "Central", type: "default", subnets: ["10.0.0.0/16"] }];
  const put = (ifMatch: string) =>
    asked(
      "/api/v1/topology",
      { method: "PUT", headers: { "if-match": ifMatch } },
      JSON.stringify({ offices }),
    );
  const { etag = "" } = (await asked("/api/v1/topology")).headers;

  expect((await put(etag)).status).toBe(200);
  const again = await put(etag);

  expect(again.status).toBe(412);
  expect(problemOf(again)).toMatchObject({ code: "changed-meanwhile" });
  expect((await put("*")).status).toBe(200);
});

test("C3: an order for a deployment that somebody else has changed meanwhile is refused", async () => {
  const body = JSON.stringify({ contentId: CONTENT, targets: { all: true } });
  const made = await asked("/api/v1/deployments", { method: "POST" }, body);
  const { deploymentId } = JSON.parse(made.text) as { deploymentId: string };
  const path = `/api/v1/deployments/${deploymentId}`;
  const order = (kind: string, ifMatch: string, what: object = { deploymentId }) =>
    asked(
      "/api/v1/deployment-orders",
      { method: "POST", headers: { "if-match": ifMatch } },
      JSON.stringify({ ...what, order: { kind } }),
    );
  const { etag = "" } = (await asked(path)).headers;
  // How far it is changes the tag, but not the revision.
  server.report({ state: "downloading", heldBytes: 7 });
  const moved = await asked(path);
  const unread = await asked(path, { headers: { "if-none-match": etag } });

  const paused = await order("pause", etag);
  const late = await order("cancel", moved.headers.etag ?? "");

  expect(moved.headers.etag).not.toBe(etag);
  expect(unread.status).toBe(200);
  expect(paused.status).toBe(200);
  expect(late.status).toBe(412);
  expect(problemOf(late)).toMatchObject({ code: "changed-meanwhile" });
  expect(JSON.parse((await asked(path)).text)).toMatchObject({ revision: 2 });
  expect((await order("resume", '"1", "2"')).status).toBe(200);
  expect((await order("pause", '"2"')).status).toBe(412);
  expect((await order("pause", "*")).status).toBe(200);
  expect((await order("pause", "anything")).status).toBe(412);
  expect((await order("resume", '"4"', { contentId: CONTENT })).status).toBe(422);
  // What changes nothing is no revision.
  await order("pause", "*");
  expect(JSON.parse((await asked(path)).text)).toMatchObject({ revision: 4 });
});

test("the same under one idempotency-key is done once, also over a restart", async () => {
  const deploy = (key: string, priority = "high") =>
    asked(
      "/api/v1/deployments",
      { method: "POST", headers: { "idempotency-key": key } },
      JSON.stringify({ contentId: "c1000000", targets: { all: true }, priority }),
    );
  const [first, second] = await Promise.all([deploy("k1"), deploy("k1")]);
  expect(first.status).toBe(201);
  expect(second.text).toBe(first.text);

  await server.stop();
  server = await TestServer.start(folder);

  expect(await deploy("k1")).toMatchObject({ status: 201, text: first.text });
  expect(problemOf(await deploy("k1", "low"))).toMatchObject({
    status: 422,
    code: "idempotency-key-reused",
  });
  expect(problemOf(await deploy("bad key"))).toMatchObject({ code: "idempotency-key-malformed" });
  expect((await deploy("k2")).text).not.toBe(first.text);
  expect((await local(SERVER_ROUTES.listDeployments)).deployments).toHaveLength(2);
});

test("an answer that is shown once is not kept for a second asking", async () => {
  const make = () =>
    asked(
      "/api/v1/tokens",
      { method: "POST", headers: { "idempotency-key": "k" } },
      '{"name":"a"}',
    );
  expect((await make()).status).toBe(201);

  expect(problemOf(await make())).toMatchObject({ status: 409, code: "idempotency-answer-secret" });
  expect((await local(SERVER_ROUTES.listTokens)).tokens).toHaveLength(2);
});

test("what was refused under a key may be asked again under it", async () => {
  const deploy = (contentId: string) =>
    asked(
      "/api/v1/deployments",
      { method: "POST", headers: { "idempotency-key": "k" } },
      JSON.stringify({ contentId, targets: { all: true } }),
    );
  expect((await deploy("dddddddd")).status).toBe(404);

  expect((await deploy("c1000000")).status).toBe(201);
});

test("the OpenAPI document is valid, and is what is served", async () => {
  const document = serverOpenApi();
  const { valid, errors } = await new Validator().validate(JSON.parse(JSON.stringify(document)));
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);

  const served = await ask("/api/v1/openapi.json");

  expect(JSON.parse(served.text)).toEqual(JSON.parse(JSON.stringify(document)));
});

test("the page to browse it asks nobody else for anything", async () => {
  const { text, headers } = await ask("/api/docs/");
  expect(headers["content-security-policy"]).toMatch(/default-src 'self'/);
  const links = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = ""]) => link);
  expect(links.length).toBeGreaterThan(3);
  for (const link of links) {
    const { pathname, host } = new URL(link, "https://here/api/docs/");
    expect({ link, host }).toEqual({ link, host: "here" });
    expect({ link, status: (await ask(pathname)).status }).toEqual({ link, status: 200 });
  }
});

test("a server that is ending is not ready, and alive", async () => {
  server.end();

  const answer = await ask("/readyz");

  expect(answer.status).toBe(503);
  expect(problemOf(answer).code).toBe("not-ready");
  expect((await ask("/livez")).status).toBe(200);
});

const local: ReturnType<typeof createControlClient>["call"] = (route, input) =>
  createControlClient(join(folder, "control.sock")).call(route, input);

type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>> & {
    readonly etag?: string;
    readonly allow?: string;
  };
  readonly text: string;
};

/** Asks with the token. */
function asked(path: string, options: RequestOptions = {}, body?: string): Promise<Answer> {
  const own = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const headers = {
    ...(body === undefined ? {} : own),
    authorization: own.authorization,
    ...options.headers,
  };
  return ask(path, { ...options, headers }, body);
}

/** Asks as somebody of whom nothing is known. */
function ask(path: string, options: RequestOptions = {}, body?: string): Promise<Answer> {
  const { hostname: host, port } = server.url;
  return new Promise((resolve, reject) => {
    const sent = request(
      { ...options, host, port, path, ca: server.authority.pem },
      async (response) => {
        let text = "";
        for await (const part of response) text += part;
        const headers = response.headers as Answer["headers"];
        resolve({ status: response.statusCode ?? 0, headers, text });
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

function problemOf(answer: Answer) {
  return JSON.parse(answer.text);
}
