import fc from "fast-check";
import { expect, test } from "vitest";
import { buildTopology, officeOf } from "../topology/topology.ts";
import { type AddressPlan, findAddresses, inventAddresses, roomsFor } from "./addresses.ts";

test("invented addresses are of the offices' own subnets and each is used once, in any size", () => {
  for (const devices of [[4, 5, 0], Array.from({ length: 5_000 }, () => 20), [1_000, 3]]) {
    const plan = sound(inventAddresses(devices));

    expect(plan.offices.map(({ hosts }) => hosts.length)).toEqual(devices);
    expectSound(plan);
  }
});

test("of up to 256 offices each has a /16, and its devices begin behind the first /24", () => {
  const plan = sound(inventAddresses([1, 300]));

  expect(plan.server).toBe("10.0.0.1");
  expect(plan.offices[0]).toEqual({ subnets: ["10.0.0.0/16"], hosts: ["10.0.1.1"] });
  expect(plan.offices[1]?.hosts.slice(252, 256)).toEqual([
    "10.1.1.253",
    "10.1.1.254",
    "10.1.2.1",
    "10.1.2.2",
  ]);
});

test("more devices than a block has addresses are refused with what there is room for", () => {
  const devices = Array.from({ length: 20_000 }, () => 1);
  devices[7] = 254;
  expect(inventAddresses(devices).ok).toBe(true);

  devices[7] = 255;

  expect(inventAddresses(devices)).toEqual({ ok: false, error: { office: 7, room: 254 } });
});

test("addresses are found in entered subnets, in turn, and not where a narrower subnet wins", () => {
  const plan = sound(
    findAddresses([
      { subnets: ["10.0.0.0/16"], devices: 3 },
      { subnets: ["10.0.0.0/30", "192.168.7.10-192.168.7.12"], devices: 4 },
      { subnets: ["2001:db8::/64"], devices: 2 },
      { subnets: [], devices: 0 },
      { subnets: ["2001:db8:1::/64", "10.0.0.8/31"], devices: 1 },
    ]),
  );

  expect(plan.server).toBe("10.0.0.4");
  expect(plan.offices.map(({ hosts }) => hosts)).toEqual([
    ["10.0.0.5", "10.0.0.6", "10.0.0.7"],
    ["10.0.0.1", "192.168.7.10", "10.0.0.2", "192.168.7.11"],
    ["2001:db8::1", "2001:db8::2"],
    [],
    ["10.0.0.8"],
  ]);
});

test("no device is where the server is", () => {
  const plan = sound(findAddresses([{ subnets: ["10.0.0.0/29"], devices: 5 }], "10.0.0.3"));

  expect(plan.offices[0]?.hosts).toEqual([
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.4",
    "10.0.0.5",
    "10.0.0.6",
  ]);
});

test("the room of an office is what can be found in it, whatever lies within what", () => {
  const subnet = fc
    .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 24, max: 29 }))
    .map(
      ([at, length]) =>
        `10.0.${at >> 3}.${(((at & 7) * 32) >> (32 - length)) << (32 - length)}/${length}`,
    );
  fc.assert(
    fc.property(
      fc.array(fc.array(subnet, { maxLength: 3 }), { minLength: 1, maxLength: 5 }),
      (all) => {
        const topology = buildTopology(
          all.map((subnets, index) => ({
            name: `${index}`,
            ...(index === 0 ? {} : { parent: "0" }),
            type: "default",
            subnets,
          })),
        );
        fc.pre(topology.ok);
        const rooms = roomsFor(all);
        fc.pre(topology.ok && (all[0]?.length ?? 0) > 0);
        // Where others have all of its addresses, the server has nowhere to be.
        fc.pre(findAddresses(all.map((subnets) => ({ subnets, devices: 0 }))).ok);
        const offices = all.map((subnets, index) => ({ subnets, devices: rooms[index] ?? 0 }));

        const plan = sound(findAddresses(offices));

        expectSound(plan);
        const full = offices.map((office, index) =>
          index === 0 ? { ...office, devices: office.devices + 1 } : office,
        );
        expect(findAddresses(full)).toMatchObject({ ok: false, error: { office: 0 } });
      },
    ),
  );
});

function sound(result: ReturnType<typeof findAddresses>): AddressPlan {
  if (!result.ok) throw new Error(`office ${result.error.office}: ${result.error.room}`);
  return result.value;
}

function expectSound(plan: AddressPlan): void {
  const topology = buildTopology(
    plan.offices.map(({ subnets }, index) => ({
      name: `${index}`,
      ...(index === 0 ? {} : { parent: "0" }),
      type: "default",
      subnets,
    })),
  );
  if (!topology.ok) throw new Error("the offices make no topology");
  const hosts = plan.offices.flatMap(({ hosts: own }) => own);
  expect(new Set([...hosts, plan.server]).size).toBe(hosts.length + 1);
  expect(officeOf(topology.value, plan.server)).toBe("0");
  for (const [index, { hosts: own }] of plan.offices.entries()) {
    expect(new Set(own.map((host) => officeOf(topology.value, host))).size).toBeLessThan(2);
    if (own[0] !== undefined) expect(officeOf(topology.value, own[0])).toBe(`${index}`);
  }
}
