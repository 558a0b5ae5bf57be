import { MS } from "../../base/units.ts";
import type { LinkOptions } from "../link.ts";
import type { Scene } from "../scene.ts";
import { type Blow, blowTo, type Fault, pick, victim } from "./fault.ts";

/** A line is cut, in one direction or both. */
export const lineCut: Fault = {
  kind: "line-cut",
  strike: (scene) => {
    const line = lineToStrike(scene);
    if (line === undefined) return undefined;
    const ways = pick(scene.prng, [["up"], ["down"], ["up", "down"]] as const) ?? [];
    const links = ways.map((way) => line[way]);
    for (const link of links) link.cut = true;
    return {
      sentence: `the line of ${line.office} is cut: ${ways.join(" and ")}`,
      offices: [line.office],
      heal: () => {
        for (const link of links) link.cut = false;
      },
    };
  },
};

/** Somebody else's traffic takes most of a line: what is left is slow. */
export const lineSlow: Fault = {
  kind: "line-slow",
  strike: (scene) => {
    const factor = 2 + scene.prng.below(19);
    return changed(scene, `has a ${factor}th of its rate`, (options) => ({
      ...options,
      rate: options.rate / factor,
    }));
  },
};

/** A line takes another way, which is longer. */
export const lineLong: Fault = {
  kind: "line-long",
  strike: (scene) => {
    const delayUs = (50 + scene.prng.below(550)) * MS;
    return changed(scene, `takes ${delayUs} us`, (options) => ({ ...options, delayUs }));
  },
};

/** A line loses, doubles and mixes up what it carries. */
export const lineBad: Fault = {
  kind: "line-bad",
  strike: (scene) => {
    const { prng } = scene;
    const bad = {
      lossPercent: prng.below(30),
      duplicatePercent: prng.below(20),
      jitterUs: prng.below(80) * MS,
    };
    return changed(scene, `loses ${bad.lossPercent} %`, (options) => ({ ...options, ...bad }));
  },
};

/** A device reaches its own office alone. */
export const confined: Fault = {
  kind: "confined",
  strike: (scene) => {
    const device = victim(scene);
    if (device === undefined) return undefined;
    const { host } = device;
    const open = scene.network.block((from, to) => {
      if (from !== host && to !== host) return false;
      return scene.officeOfHost(from) !== scene.officeOfHost(to);
    });
    return blowTo(scene, device, { sentence: "reaches its own office alone", heal: open });
  },
};

/** Some hosts do not reach the others, or are not reached by them; it may be any of them. */
export const partition: Fault = {
  kind: "partition",
  strike: (scene) => {
    const { prng, devices, organisation } = scene;
    const hosts = [...devices.map(({ host }) => host), organisation.server.host];
    const side = new Set(hosts.filter(() => prng.below(2) === 0));
    const oneWay = prng.below(3) === 0;
    const heal = scene.network.block((from, to) =>
      oneWay ? side.has(from) && !side.has(to) : side.has(from) !== side.has(to),
    );
    const way = oneWay ? "do not reach" : "are parted from";
    const sentence = `${[...side].sort().join(", ")} ${way} the others`;
    return { sentence, offices: "all", heal };
  },
};

/** Bits flip on the wire. */
export const flips: Fault = {
  kind: "flipped-bits",
  strike: (scene) => {
    const { network, prng } = scene;
    if (network.flippedPerMille > 0) return undefined;
    network.flippedPerMille = 1 + prng.below(80);
    return {
      sentence: `of 1,000 datagrams ${network.flippedPerMille} have a flipped bit`,
      offices: "all",
      heal: () => {
        network.flippedPerMille = 0;
      },
    };
  },
};

/** A router gives a device other addresses than its own, and changes them. */
export const rebind: Fault = {
  kind: "rebind",
  strike: (scene) => {
    const device = victim(scene, (one) => one !== scene.publisher);
    if (device === undefined) return undefined;
    const { network, world, prng } = scene;
    const { host } = device;
    const office = scene.officeOfHost(host);
    let over = false;
    const bind = (): void => {
      if (over) return;
      network.translate(host, scene.freshHost(office));
      world.plan(1_000_000 + prng.below(8_000_000), bind);
    };
    bind();
    const heal = (): void => {
      over = true;
      network.translate(host);
    };
    return blowTo(scene, device, { sentence: "is behind a router that rebinds", heal });
  },
};

/** Handshakes of some come to nothing. */
export const handshakes: Fault = {
  kind: "handshakes-fail",
  strike: (scene) => {
    const { world, prng, devices } = scene;
    const hosts = new Set(devices.filter(() => prng.below(2) === 0).map(({ host }) => host));
    const percent = 30 + prng.below(71);
    world.handshakeFails = (host) => hosts.has(host) && prng.below(100) < percent;
    return {
      sentence: `${percent} % of the handshakes of ${hosts.size} devices fail`,
      offices: "all",
      heal: () => {
        world.handshakeFails = () => false;
      },
    };
  },
};

type Chosen = NonNullable<ReturnType<Scene["lineOf"]>> & { readonly office: string };

/** A line with which nothing is wrong. */
function lineToStrike(scene: Scene): Chosen | undefined {
  const lines = scene.offices.flatMap(({ name }) => {
    const line = scene.lineOf(name);
    return line === undefined || line.up.cut || line.down.cut ? [] : [{ ...line, office: name }];
  });
  return pick(scene.prng, lines);
}

function changed(
  scene: Scene,
  sentence: string,
  change: (options: LinkOptions) => LinkOptions,
): Blow | undefined {
  const line = lineToStrike(scene);
  if (line === undefined || scene.changedLines.has(line.office)) return undefined;
  const { office, up, down } = line;
  const before = { up: up.options, down: down.options };
  scene.changedLines.add(office);
  up.options = change(up.options);
  down.options = change(down.options);
  return {
    sentence: `the line of ${office} ${sentence}`,
    offices: [office],
    heal: () => {
      up.options = before.up;
      down.options = before.down;
      scene.changedLines.delete(office);
    },
  };
}
