import type { NetworkInterfaceInfo } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { AddressWatch, type InterfaceKind, reachableHosts } from "./addresses.ts";

const KINDS: Readonly<Record<string, InterfaceKind>> = { eth0: "wired", wlan0: "wireless" };
const kindOf = (name: string): InterfaceKind => KINDS[name] ?? "other";

test("an address by cable comes before one by air, and that before any other", () => {
  const interfaces = {
    tun0: [own("10.8.0.2")],
    wlan0: [own("192.0.2.7"), own("2001:db8:2::7")],
    eth0: [own("fd00::5"), own("2001:db8:1::5"), own("198.51.100.5")],
  };

  expect(reachableHosts(undefined, interfaces, kindOf)).toEqual([
    ...["198.51.100.5", "2001:db8:1::5", "fd00::5"],
    ...["192.0.2.7", "2001:db8:2::7"],
    "10.8.0.2",
  ]);
});

test("addresses that mean another machine elsewhere are none: loopback and link-local", () => {
  const interfaces = {
    lo: [own("127.0.0.1", true), own("::1", true)],
    eth0: [own("169.254.3.4"), own("fe80::1"), own("febf::1"), own("2001:db8::1")],
    eth1: undefined,
  };

  expect(reachableHosts(undefined, interfaces, kindOf)).toEqual(["2001:db8::1"]);
});

test("an address that was set is the only one", () => {
  expect(reachableHosts("192.0.2.1", { eth0: [own("198.51.100.5")] }, kindOf)).toEqual([
    "192.0.2.1",
  ]);
});

test("no more addresses are told than a message carries", () => {
  const many = Array.from({ length: 20 }, (_, index) => own(`192.0.2.${index + 1}`));
  expect(reachableHosts(undefined, { eth0: many }, kindOf)).toHaveLength(8);
});

test("a change of addresses is told once, and a moment without any is not", async () => {
  const seen = [["192.0.2.1"], [], ["192.0.2.1"], ["192.0.2.9"], ["192.0.2.9"], ["::2"]];
  const told: string[][] = [];

  await new Promise<void>((resolve) => {
    const watch = new AddressWatch({
      known: ["192.0.2.1"],
      everyMs: 1,
      look: () => {
        const hosts = seen.shift();
        if (hosts === undefined) resolve();
        return hosts ?? ["::2"];
      },
      onChange: (hosts) => told.push([...hosts]),
    });
    onTestFinished(() => watch.close());
  });

  expect(told).toEqual([["192.0.2.9"], ["::2"]]);
});

function own(address: string, internal = false): NetworkInterfaceInfo {
  const common = { address, internal, netmask: "", mac: "", cidr: null };
  return address.includes(":")
    ? { ...common, family: "IPv6", scopeid: 0 }
    : { ...common, family: "IPv4" };
}
