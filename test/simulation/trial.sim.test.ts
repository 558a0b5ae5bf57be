import { expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { SECOND } from "../../src/base/units.ts";
import { watchSeals } from "../../src/sim/checkers/seals.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import type { Scene } from "../../src/sim/scene.ts";
import { toyCrypto } from "../../src/sim/toy-crypto.ts";
import { Trial } from "../../src/sim/trial.ts";

/** A world of two offices and more, in which pieces cross a line. */
const SEED = 3;

test("the same seed gives the same world, to the last event", () => {
  const [once, again] = [1, 2].map(() => Trial.run({ seed: 11, weather: "harsh" }));

  expect(again?.hash).toBe(once?.hash);
  expect(again?.events).toBe(once?.events);
  expect(once?.faults.size).toBeGreaterThan(0);
});

test("another seed gives another world", () => {
  const hashes = [11, 12].map((seed) => Trial.run({ seed, weather: "none" }).hash);

  expect(new Set(hashes).size).toBe(2);
});

test("a piece that is not what the publisher made is noticed in the store", () => {
  const broken = violated((scene) => {
    const device = elsewhere(scene);
    device.onReport = (event) => {
      if (event.kind === "content-finished") device.store.rot(event.contentId, 0);
    };
  });

  expect(broken).toContain("truth");
});

test("a piece that is served and not what it was made is noticed", () => {
  const broken = violated((scene) => {
    scene.publisher.spoil = (bytes) => bytes.map((byte, index) => (index === 0 ? byte ^ 1 : byte));
  });

  expect(broken).toContain("truth");
});

test("a piece that crosses a line twice is noticed", () => {
  const broken = violated((scene) => {
    for (const device of scene.devices) {
      if (scene.officeOf(device) === "Central") continue;
      device.onInput = (input) =>
        input.kind === "piece-stored"
          ? { ...input, kind: "piece-rejected", cause: "disk", problem: "" }
          : input;
    }
  });

  expect(broken).toContain("copies");
});

test("bytes that are counted and did not come are noticed", () => {
  const broken = violated((scene) => {
    misreport(elsewhere(scene), (content) => ({ ...content, wanInBytes: content.wanInBytes + 1 }));
  });

  expect(broken).toContain("ledger");
});

test("a device of a VPN office that serves is noticed", () => {
  const broken = violated((scene) => {
    const { coordinator } = scene.organisation.server;
    const offices = coordinator.offices();
    coordinator.offices = () => offices.map((office) => ({ ...office, type: "vpn" }));
  });

  expect(broken).toContain("roles");
});

test("a device of a WiFi office that asks its LAN is noticed", () => {
  const broken = violated((scene) => {
    const { coordinator } = scene.organisation.server;
    const offices = coordinator.offices();
    coordinator.offices = () => offices.map((office) => ({ ...office, type: "wifi" }));
    // Without its server a device asks for good.
    const { host } = scene.organisation.server;
    const block = () => scene.network.block((from, to) => from === host || to === host);
    scene.world.plan(5 * SECOND, block);
  });

  expect(broken).toContain("roles");
});

test("a table that grows without bound is noticed", () => {
  const broken = violated((scene) => {
    Object.defineProperty(elsewhere(scene), "receivingBytes", { value: 2 ** 40 });
  });

  expect(broken).toContain("tables");
});

test("a server that forgets what an operator said is noticed", () => {
  const broken = violated((scene) => {
    const { server } = scene.organisation;
    const forget = (): void => {
      const [row] = server.coordinator.deployments();
      if (row === undefined) {
        scene.world.plan(SECOND, forget);
        return;
      }
      const { deploymentId } = row;
      scene.steer({ kind: "steer", deploymentId, office: "Central", order: { kind: "pause" } });
      server.database.apply({ kind: "deployment-put", deployment: row });
      server.stop();
      server.restart();
    };
    forget();
  });

  expect(broken).toContain("obedience");
});

test("two that fetch for one office and hear each other are noticed", () => {
  const broken = violated((scene) => {
    for (const device of scene.devices) {
      const { status } = device;
      device.status = () => {
        const own = status.call(device);
        const peers = scene.devices.map(({ deviceId, host }) => ({
          deviceId,
          host,
          office: "",
          connected: true,
          rttUs: 0,
        }));
        return own && { ...own, rvp: true, peers: peers.slice(0, 10) };
      };
    }
    // Nobody gets anything, so that the world lasts.
    elsewhere(scene).onInput = (input) => (input.kind === "content-created" ? undefined : input);
  });

  expect(broken).toContain("holders");
});

test("a server that says otherwise than a device is noticed", () => {
  const broken = violated((scene) => {
    misreport(elsewhere(scene), (content) => ({ ...content, heldBytes: content.heldBytes + 1 }));
  });

  expect(broken).toContain("agreement");
});

test("a device that never gets what it should have is noticed once its time is over", () => {
  const broken = violated((scene) => {
    elsewhere(scene).onInput = (input) => (input.kind === "content-created" ? undefined : input);
  });

  expect(broken).toContain("liveness");
});

test("a brain that throws is noticed", () => {
  const broken = violated((scene) => {
    elsewhere(scene).onInput = () => {
      throw new RangeError("a bug");
    };
  });

  expect(broken).toContain("never-throws");
});

test("a brain that wants to be called for ever at one time is noticed", () => {
  const broken = violated((scene) => {
    const device = elsewhere(scene);
    device.due = () => ({ atUs: scene.world.nowUs, reason: "again" });
    scene.world.touch(device.host);
  });

  expect(broken).toContain("runaway");
});

test("a key and a nonce that seal twice are noticed", () => {
  const found: string[] = [];
  const crypto = watchSeals(toyCrypto(new Prng(1)), (_, sentence) => found.push(sentence));
  const [key, other] = [new Uint8Array(32), new Uint8Array(32).fill(1)];
  const nonce = new Uint8Array(12);

  crypto.seal(key, nonce, nonce, nonce);
  crypto.seal(other, nonce, nonce, nonce);
  expect(found).toEqual([]);
  crypto.seal(key, nonce, nonce, key);

  expect(found.length).toBe(1);
});

/** Which checkers find something in a world without faults that a test has spoilt. */
function violated(sabotage: (scene: Scene) => void): readonly string[] {
  const { violations } = Trial.run({ seed: SEED, weather: "none", sabotage });
  return violations.map(({ checker }) => checker);
}

/** A device of another office than the Central Office. */
function elsewhere(scene: Scene): SimDevice {
  const device = scene.devices.find((one) => scene.officeOf(one) !== "Central");
  if (device === undefined) throw new Error("the world has more than one office");
  return device;
}

type Content = NonNullable<ReturnType<SimDevice["status"]>>["contents"][number];

function misreport(device: SimDevice, change: (content: Content) => Content): void {
  const { status } = device;
  device.status = () => {
    const own = status.call(device);
    return own && { ...own, contents: own.contents.map(change) };
  };
}
