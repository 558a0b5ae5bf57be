import { afterEach, beforeEach, expect, test } from "vitest";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { ApiClient } from "../../runtime/http/client.ts";
import type { ExplanationPart } from "../../wire/messages.ts";
import { closeFixture, openFixture } from "./test-fixture.ts";
import { CONTENT, DEVICE, type TestServer } from "./test-server.ts";

let folder: string;
let server: TestServer;
let client: ApiClient;

beforeEach(async () => {
  ({ folder, server, client } = await openFixture());
});

afterEach(() => closeFixture({ folder, server }));

test("D4: a device that is there says itself from whom each piece came", async () => {
  server.report({ state: "downloading", piecesHeld: 1, pieces: 4, lanInBytes: 300 });
  answerWith({
    pieces: 4,
    sources: [{ kind: "origin", location: "https://cdn.example/\u001b[31m" }],
    reasons: ["no device has it\n"],
    ranges: [{ first: 1, last: 3, source: 0, reason: 0 }],
    totals: [{ source: 0, pieces: 3, bytes: 900 }],
    nextPiece: 4,
  });

  const view = await explain("c1000000");

  const source = { kind: "origin", location: "https://cdn.example/?[31m", protocol: "https" };
  expect(view).toMatchObject({ deviceId: DEVICE, hostName: "pc-1", name: "tool", answer: "told" });
  expect(view.ranges).toEqual([{ first: 1, last: 3, source, reason: "no device has it?" }]);
  expect(view.totals).toEqual([{ source, pieces: 3, bytes: 900 }]);
  // There is no piece 4 of four: nobody is to ask for it.
  expect(view.nextPiece).toBeUndefined();
  expect(view.reported).toMatchObject({ state: "downloading", lanInBytes: 300 });
});

test("what leads nowhere in an answer is left out", async () => {
  server.report({});
  answerWith({
    pieces: 2,
    sources: [{ kind: "unknown" }],
    reasons: ["why"],
    ranges: [
      { first: 0, last: 0, source: 1, reason: 0 },
      { first: 0, last: 0, source: 0, reason: 7 },
      { first: 1, last: 0, source: 0, reason: 0 },
      { first: 1, last: 2, source: 0, reason: 0 },
      { first: 1, last: 1, source: 0, reason: 0 },
    ],
    totals: [{ source: 3, pieces: 1, bytes: 1 }],
  });

  const view = await explain();

  expect(view.ranges).toEqual([
    { first: 1, last: 1, source: { kind: "unknown", protocol: "none" }, reason: "why" },
  ]);
  expect(view.totals).toEqual([]);
});

test("of a device that is away the server says so, and what it last reported", async () => {
  const before = await explain();
  server.report({ state: "failed", problem: "no room: free some", wanInBytes: 70, pieces: 4 });
  server.input({ kind: "device-down", association: 1 });

  const view = await explain();

  expect(before).toMatchObject({ answer: "away", pieces: 0, ranges: [] });
  expect(before.reported).toBeUndefined();
  expect(view).toMatchObject({ answer: "away", why: expect.stringContaining("ask again") });
  expect(view.reported).toMatchObject({
    state: "failed",
    problem: "no room: free some",
    wanInBytes: 70,
    office: "Central Office",
  });
});

test("a device that knows nothing of the content, and one that nobody knows", async () => {
  server.report({});
  answerWith({ pieces: 0, sources: [], reasons: [], ranges: [], totals: [] });

  await expect(explain()).resolves.toMatchObject({ answer: "nothing" });
  await expect(explain("dddddddd")).rejects.toMatchObject({ code: "content-unknown" });
  await expect(explain(CONTENT, "dd".repeat(16))).rejects.toMatchObject({ code: "device-unknown" });
});

function explain(contentId: string = CONTENT, deviceId: string = DEVICE) {
  return client.call(SERVER_ROUTES.explainContent, { params: { contentId, deviceId } });
}

function answerWith(part: Omit<ExplanationPart, "kind" | "questionId">): void {
  server.onSent = (message) => {
    if (message.kind !== "explain") return;
    const { questionId } = message;
    const answer = { kind: "explanation", questionId, ...part } as const;
    server.input({ kind: "message", association: 1, deviceId: DEVICE, message: answer });
  };
}
