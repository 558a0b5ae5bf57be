import { beforeEach, expect, test } from "vitest";
import { ORIGINS_MAX, Origins } from "./origins.ts";
import { emptyState } from "./state.ts";
import { World } from "./test-world.ts";

let world: World;
beforeEach(() => {
  world = new World(emptyState(7));
});

test("PO2: devices ask CDNs before file storage, each in the order in which they were added", () => {
  for (const location of ["/srv/a", "https://one.example/p", "\\\\files\\b", "http://[::1]:80"]) {
    expect(add(location)).toMatchObject({ kind: "origins-changed" });
  }
  expect(add("https://files.example", "storage")).toMatchObject({ kind: "origins-changed" });

  const expected = [
    { kind: "cdn", location: "https://one.example/p" },
    { kind: "cdn", location: "http://[::1]:80" },
    { kind: "storage", location: "/srv/a" },
    { kind: "storage", location: "\\\\files\\b" },
    { kind: "storage", location: "https://files.example" },
  ];
  expect(world.coordinator.origins()).toEqual(expected);
  expect(new World(world.state).coordinator.origins()).toEqual(expected);
});

test.each([
  "",
  "packages",
  "./packages",
  "../packages",
  "ftp://files.example/p",
  "https://",
  "https:///p",
  "https://user@cdn.example/p",
  "https://user:secret@cdn.example/p",
  "https://cdn.example/p?token=1",
  "https://cdn.example/p#x",
  "https://cdn.example/a b",
  "https://cdn.example\\p",
  "/srv/a\u0000b",
  `/${"a".repeat(1_024)}`,
])("an origin %j is refused with a reason, and nothing changes", (location) => {
  expect(add(location)).toMatchObject({ kind: "refused", code: "origin-malformed" });
  expect(world.coordinator.origins()).toEqual([]);
});

test("a directory can be no CDN, and nothing can be there twice", () => {
  expect(add("/srv/a", "cdn")).toMatchObject({ code: "origin-malformed" });
  add("https://cdn.example/p/");

  expect(add(" https://cdn.example/p")).toMatchObject({ code: "origin-duplicate" });
});

test("there are no more origins than devices are told of", () => {
  for (let index = 0; index < ORIGINS_MAX; index += 1) add(`/srv/${index}`);

  expect(add("/srv/more")).toMatchObject({ code: "too-many-origins" });
  expect(remove("/srv/3/")).toMatchObject({ kind: "origins-changed" });
  expect(add("/srv/more")).toMatchObject({ kind: "origins-changed" });
  expect(remove("/srv/3")).toMatchObject({ code: "origin-unknown" });
});

function add(location: string, originKind?: "cdn" | "storage") {
  const said = originKind === undefined ? {} : { originKind };
  return world.command({ kind: "add-origin", location, ...said });
}

function remove(location: string) {
  return world.command({ kind: "remove-origin", location });
}

test("PO7: the server comes last of what devices are told, where it serves packages", () => {
  const cdn = { kind: "cdn", location: "https://cdn.example" } as const;
  const storage = { kind: "storage", location: "/srv/packages" } as const;
  const origins = new Origins([storage, cdn]);

  expect(origins.told(undefined)).toEqual([cdn, storage]);
  expect(origins.told(8_444)).toEqual([
    cdn,
    storage,
    { kind: "storage", location: "gateway:8444" },
  ]);
});
