import { request } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { listShapeOf } from "../../base/list-shape.ts";
import { createControlClient } from "../../runtime/http/control-client.ts";
import { closeFixture, openFixture } from "./test-fixture.ts";
import { CONTENT, type TestServer } from "./test-server.ts";

let folder: string;
let server: TestServer;

beforeEach(async () => {
  ({ folder, server } = await openFixture());
});

afterEach(() => closeFixture({ folder, server }));

test("every operation that answers a list, and no other, answers it as CSV", () => {
  const lists = Object.entries(SERVER_ROUTES)
    .filter(([, route]) => listShapeOf(route) !== undefined)
    .map(([name]) => name);

  expect(lists).toEqual(expect.arrayContaining(LISTS));
  for (const name of ["showDeployment", "explainContent", "showServer", "showContent"]) {
    expect(lists).not.toContain(name);
  }
});

test("a list of more than a page comes whole, with its heading and filters", async () => {
  for (let number = 0; number < 1_050; number += 1) {
    server.enrol(`pc ${String(number).padStart(4, "0")}`);
  }

  const { rows, type } = await csv("/api/v1/devices?sort=-hostName&search=pc%20");
  const [heading, ...devices] = rows;

  expect(type).toBe("text/csv; charset=utf-8");
  expect(heading?.slice(0, 3)).toEqual(["deviceId", "hostName", "office"]);
  expect(devices.length).toBe(1_050);
  expect(devices[0]?.[1]).toBe("pc 1049");
  expect(new Set(devices.map(([deviceId]) => deviceId)).size).toBe(1_050);
  await expect(csv("/api/v1/devices?limit=7")).resolves.toMatchObject({ rows: { length: 8 } });
});

test("what operators did comes whole too, though its pages have no cursor", async () => {
  for (let number = 0; number < 1_003; number += 1) {
    const command = { kind: "change-group", name: "some", create: number === 0 } as const;
    server.input({ kind: "command", requestNumber: 10_000 + number, command });
  }
  await server.idle();

  const { rows } = await csv("/api/v1/audit");

  expect(rows.length).toBe(1_004);
});

test("CSV injection: nothing of a name is calculated by a spreadsheet, and quotes stay quotes", async () => {
  server.enrol('=HYPERLINK("http://x","a, b")');
  server.enrol("-2+3");

  const { text } = await csv("/api/v1/devices?sort=hostName");

  expect(text).toContain(`,"'=HYPERLINK(""http://x"",""a, b"")",`);
  expect(text).toContain(",'-2+3,");
});

test("what is absent is an empty cell, a list of texts is one cell, numbers stay numbers", async () => {
  const client = createControlClient(join(folder, "control.sock"));
  const targets = { all: true } as const;
  await client.call(SERVER_ROUTES.deploy, { body: { contentId: CONTENT, targets } });

  const { rows } = await csv("/api/v1/deployments");
  const [heading = [], row = []] = rows;
  const cell = (name: string) => row[heading.indexOf(name)];

  expect(cell("targets")).toBe('{"all":true}');
  expect(cell("finishedAtMs")).toBe("");
  expect(cell("devices")).toBe("1");
  const { rows: devices } = await csv("/api/v1/devices");
  expect(devices[1]?.[devices[0]?.indexOf("hosts") ?? -1]).toBe("10.1.0.5");
});

test("a refusal is a problem as ever, also where CSV is asked for", async () => {
  const wrong = await get("/api/v1/devices?cursor=!", "text/csv");
  const office = await get("/api/v1/distribution?office=Nowhere", "text/csv");
  const none = await get("/api/v1/server", "text/csv");
  const json = await get("/api/v1/devices", "application/json, text/csv");

  expect([wrong.status, office.status, none.status, json.status]).toEqual([400, 422, 406, 200]);
  expect(JSON.parse(none.text)).toMatchObject({ code: "no-list" });
  expect(JSON.parse(json.text)).toMatchObject({ total: 1 });
});

const LISTS = [
  ...["listDevices", "listContents", "listDeployments", "listOffices", "showLedger"],
  ...["listGroups", "listOrigins", "listWebhooks", "listDeliveries", "listTokens", "listAudit"],
  ...["showDistribution", "showStatistics", "listTopologyChanges"],
];

async function csv(path: string) {
  const { status, text, type } = await get(path, "text/csv");
  expect(status).toBe(200);
  const rows = text
    .split("\r\n")
    .slice(0, -1)
    .map((line) =>
      line
        .split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/)
        .map((cell) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell)),
    );
  return { rows, text, type };
}

function get(path: string, accept: string) {
  const socketPath = join(folder, "control.sock");
  return new Promise<{ status: number; text: string; type: string | undefined }>(
    (resolve, reject) => {
      const asked = request({ socketPath, path, headers: { accept } }, (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (part: string) => {
          text += part;
        });
        const type = answer.headers["content-type"];
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text, type }));
      });
      asked.on("error", reject);
      asked.end();
    },
  );
}
