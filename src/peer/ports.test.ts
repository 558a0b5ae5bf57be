import { expect, test } from "vitest";
import { CHANNELS, DEVICE_PORTS } from "../effects/channels.ts";
import { NO_FACTS } from "../topology/election.ts";
import type { MemberEntry } from "../wire/messages.ts";
import { MOVABLE_CHANNEL_MAX, type PortMap } from "../wire/profile.ts";
import { devicePortTable, memberPorts, saidPorts } from "./ports.ts";

const { discovery: _, ...TABLE } = DEVICE_PORTS;

test("PF6: without anything a device listens on the table, and with an offset beside it", () => {
  expect(devicePortTable({})).toEqual(TABLE);
  expect(devicePortTable({ offset: 0 })).toEqual(TABLE);
  expect(devicePortTable({ offset: 7 })["message-small"]).toBe((TABLE["message-small"] ?? 0) + 7);
});

test("PF6: a channel with a port of its own has that, whatever the offset is", () => {
  const channel = CHANNELS["content-foreground"];
  const table = devicePortTable({ offset: 7, channels: [{ channel, port: 40_000 }] });

  expect(table["content-foreground"]).toBe(40_000);
  expect(table["content-background"]).toBe((TABLE["content-background"] ?? 0) + 7);
});

test("PF6: one port stands for every channel but discovery", () => {
  const table = devicePortTable({ single: 443 });

  expect(new Set(Object.values(table))).toEqual(new Set([443]));
  expect(Object.keys(table)).toEqual(Object.keys(TABLE));
});

test("PF6: another device is reached where it says that it listens", () => {
  expect(memberPorts(member({ single: 443 }))).toEqual({ kind: "single", port: 443 });
  const moved = { offset: 3, channels: [{ channel: 1, port: 5_000 }] };
  const { "message-small": small, "reply-small": reply } = tableOf(member(moved));
  expect([small, reply]).toEqual([5_000, (TABLE["reply-small"] ?? 0) + 3]);
  expect(tableOf({ ...member(undefined), portOffset: 9 })["reply-small"]).toBe(
    (TABLE["reply-small"] ?? 0) + 9,
  );
});

test("PF6: what the offset says alone is not said again", () => {
  expect([saidPorts(undefined), saidPorts({ offset: 7 }), saidPorts({ channels: [] })]).toEqual([
    {},
    {},
    {},
  ]);
  expect(saidPorts({ single: 443 })).toEqual({ ports: { single: 443 } });
});

test("CH1: the channels that can be moved are all but discovery, from 1 on", () => {
  const movable = Object.entries(CHANNELS).filter(([name]) => name !== "discovery");

  expect(movable.map(([, number]) => number)).toEqual(
    Array.from({ length: MOVABLE_CHANNEL_MAX }, (_, index) => index + 1),
  );
});

function member(ports: PortMap | undefined): MemberEntry {
  const deviceId = "00".repeat(16) as MemberEntry["deviceId"];
  const where = { office: "North", hosts: ["10.0.0.1"], portOffset: 0 };
  const plain = { deviceId, ...where, facts: NO_FACTS, present: true };
  return ports === undefined ? plain : { ...plain, ports };
}

function tableOf(one: MemberEntry) {
  const ports = memberPorts(one);
  return ports.kind === "table" ? ports.table : expect.fail("it has a table");
}
