import { expect, test } from "vitest";
import {
  CHANNELS,
  channelOf,
  DEVICE_PORTS,
  offsetPorts,
  SERVER_PORTS,
  singlePort,
} from "./channels.ts";
import { addressText } from "./network.ts";

test("CH1: every channel has a number of its own that fits into four bits, and is found by it", () => {
  const numbers = Object.values(CHANNELS);

  expect(new Set(numbers).size).toBe(numbers.length);
  for (const [name, number] of Object.entries(CHANNELS)) {
    expect(number).toBeLessThan(16);
    expect(channelOf(number)).toBe(name);
  }
  expect([0, 11, 15, 16, -1].map(channelOf)).toEqual(new Array(5).fill(undefined));
});

test("no two channels of a program share a port", () => {
  for (const table of [DEVICE_PORTS, SERVER_PORTS]) {
    const ports = Object.values(table);
    expect(new Set(ports).size).toBe(ports.length);
  }
});

test("a table is moved as a whole, or onto one port", () => {
  expect(offsetPorts({ "message-small": 10, discovery: 20 }, 5)).toEqual({
    "message-small": 15,
    discovery: 25,
  });
  expect(singlePort({ "message-small": 10, discovery: 20 }, 7)).toEqual({
    "message-small": 7,
    discovery: 7,
  });
});

test("an address is written so that its port can be told from it", () => {
  expect(addressText({ host: "192.0.2.1", port: 9 })).toBe("192.0.2.1:9");
  expect(addressText({ host: "2001:db8::1", port: 9 })).toBe("[2001:db8::1]:9");
});
