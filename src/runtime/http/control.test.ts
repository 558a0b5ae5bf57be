import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { lstat, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type } from "typebox";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createControlClient } from "./control-client.ts";
import { type ControlServer, serveControl } from "./control-server.ts";
import { RequestRefused } from "./problem.ts";
import type { HttpRoute } from "./route.ts";

const ROUTES = {
  greet: {
    method: "POST",
    path: "/greetings/:name",
    params: Type.Object({ name: Type.String({ maxLength: 20 }) }),
    query: Type.Object({}, { additionalProperties: false }),
    body: Type.Object({ times: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }),
    status: 201,
    response: Type.Object({ text: Type.String() }),
  },
} as const satisfies Record<string, HttpRoute>;

let folder: string;
let socketPath: string;
let server: ControlServer | undefined;
const faults: unknown[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-control-"));
  socketPath = join(folder, "control.sock");
  faults.length = 0;
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

test("an operation is asked for and answered, whatever its parameter holds", async () => {
  await serve();

  const asked = { params: { name: "a/b ü?" }, body: { times: 2 } };
  expect(await client().call(ROUTES.greet, asked)).toEqual({ text: "a/b ü?a/b ü?" });
});

test("only the owner can use the socket, and it goes with the server", async () => {
  await serve();
  expect((await stat(socketPath)).mode & 0o777).toBe(0o600);

  await server?.close();
  server = undefined;

  expect(existsSync(socketPath)).toBe(false);
});

test("nobody there: the error names the command that starts the program", async () => {
  await expect(greet({ times: 1 })).rejects.toMatchObject({
    code: "not-running",
    message: expect.stringContaining("branchline server run"),
  });
});

test.each([{ times: 0 }, { times: "2" }, { times: 1, more: 1 }, {}])(
  "%j is refused before the handler sees it",
  async (body) => {
    await serve();

    await expect(greet(body)).rejects.toMatchObject({ code: "request-malformed" });
    expect(faults).toEqual([]);
  },
);

test("a refusal is a problem document with a stable code", async () => {
  await serve();
  await expect(greet({ times: 13 })).rejects.toMatchObject({ code: "unlucky", message: "Not 13." });

  const { status, type, text } = await ask("POST", "/greetings/x", { times: 13 });

  expect([status, type]).toEqual([409, "application/problem+json"]);
  expect(JSON.parse(text)).toEqual({
    type: "urn:branchline:problem:unlucky",
    title: "unlucky",
    status: 409,
    detail: "Not 13.",
    code: "unlucky",
    number: 13,
  });
});

test("what the server has no route for is said so", async () => {
  await serve();
  const { status, text } = await ask("POST", "/other", {});

  expect(status).toBe(404);
  expect(JSON.parse(text)).toMatchObject({ code: "route-not-found" });
});

test("a mistake of ours is reported to us, and its text to nobody else", async () => {
  await serve();
  await expect(greet({ times: 500 })).rejects.toMatchObject({ code: "internal-error" });

  const { text } = await ask("POST", "/greetings/x", { times: 500 });

  expect(text).not.toContain("secret");
  expect(faults).toMatchObject([{ message: "secret" }, { message: "secret" }]);
});

test("the socket of a live process is refused", async () => {
  await serve();
  const first = server;

  await expect(serve()).rejects.toMatchObject({ code: "already-running" });

  server = first;
  expect(await greet({ times: 1 })).toEqual({ text: "x" });
});

test("the socket of a process that was killed is replaced", async () => {
  const script = `require("net").createServer().listen(${JSON.stringify(socketPath)}, () => console.log("up"))`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  expect((await lstat(socketPath)).isSocket()).toBe(true);

  await serve();

  expect(await greet({ times: 1 })).toEqual({ text: "x" });
});

test("a file in the way, a long path and a missing folder are each a clear error", async () => {
  await writeFile(socketPath, "precious");
  await expect(serve()).rejects.toMatchObject({ code: "control-path-blocked" });
  await expect(serve(join(folder, "x".repeat(120)))).rejects.toMatchObject({
    code: "control-path-too-long",
  });
  await expect(serve(join(folder, "no", "sock"))).rejects.toMatchObject({
    code: "control-not-opened",
  });
});

async function serve(path = socketPath): Promise<void> {
  server = await serveControl({
    socketPath: path,
    routes: ROUTES,
    handlers: {
      greet: ({ params, body }) => {
        if (body.times === 13) throw new RequestRefused(409, "unlucky", "Not 13.", { number: 13 });
        if (body.times === 500) throw new Error("secret");
        return { text: params.name.repeat(body.times) };
      },
    },
    pages: {},
    pageHandlers: {},
    onFault: (error) => faults.push(error),
  });
}

function client() {
  return createControlClient(socketPath);
}

function greet(body: object) {
  return client().call(ROUTES.greet, { params: { name: "x" }, body: body as { times: number } });
}

async function ask(method: string, path: string, body: object) {
  const asked = request({
    socketPath,
    method,
    path,
    headers: { "content-type": "application/json" },
  });
  asked.end(JSON.stringify(body));
  const [response] = await once(asked, "response");
  let text = "";
  for await (const part of response) text += part;
  return { status: response.statusCode, type: response.headers["content-type"], text };
}
