import { blowTo, type Fault, pick, victim } from "./fault.ts";

/** A device is carried to another office, and mostly back again. */
export const move: Fault = {
  kind: "move",
  strike: (scene) => {
    const { prng } = scene;
    const device = victim(scene, (one) => one !== scene.publisher);
    const office = pick(prng, scene.offices)?.name;
    if (device === undefined || office === undefined) return undefined;
    const home = device.host;
    const from = scene.officeOf(device);
    const asleep = prng.below(2) === 0;
    if (asleep) device.sleep();
    device.move(scene.freshHost(office));
    if (asleep) device.wake(prng.below(2) === 0);
    scene.struck.add(device);
    return {
      sentence: `${home} is carried to ${office} as ${device.host}`,
      offices: [from, office],
      heal: () => {
        scene.struck.delete(device);
        if (prng.below(3) > 0) device.move(home);
      },
    };
  },
};

/** A device begins anew with another version of the product, and is set right later. */
export const otherVersion: Fault = {
  kind: "other-version",
  strike: (scene) => {
    const device = victim(scene);
    if (device === undefined) return undefined;
    const version = pick(scene.prng, ["0.0.9", "1.0.0", "7.3.1", "none", ""]) ?? "";
    device.stop();
    scene.versions.set(device, version);
    device.start();
    const heal = (): void => {
      device.stop();
      scene.versions.delete(device);
      device.start();
    };
    return blowTo(scene, device, { sentence: `begins anew as version "${version}"`, heal });
  },
};

/** An administrator gives an office another type, or another parent. */
export const retyped: Fault = {
  kind: "offices-replaced",
  strike: (scene) => {
    const { prng, organisation } = scene;
    if (!scene.serverUp) return undefined;
    const specs = organisation.server.coordinator.offices();
    const chosen = pick(prng, specs.slice(1));
    if (chosen === undefined) return undefined;
    const parents = specs.map(({ name }) => name).filter((name) => name !== chosen.name);
    const type = pick(prng, ["default", "wifi", "vpn"]) ?? "default";
    const parent = prng.below(2) === 0 ? chosen.parent : pick(prng, parents);
    const offices = specs.map((one) =>
      one.name === chosen.name ? { ...one, type, parent: parent ?? "" } : one,
    );
    const answer = organisation.server.command({ kind: "replace-offices", offices });
    if (answer?.kind !== "offices-replaced") return undefined;
    scene.officesReplaced();
    const sentence = `${chosen.name} is a ${type} office below ${parent} now`;
    return {
      sentence,
      offices: "all",
      heal: () => {
        if (!scene.serverUp) return;
        organisation.server.command({ kind: "replace-offices", offices: specs });
        scene.officesReplaced();
      },
    };
  },
};

/** An administrator adds an origin that has nothing, or takes it away again. */
export const originsChange: Fault = {
  kind: "origins-changed",
  strike: (scene) => {
    const { server } = scene.organisation;
    const location = "/srv/nothing";
    if (!scene.serverUp || server.coordinator.origins().length > 0) return undefined;
    server.command({ kind: "add-origin", location });
    return {
      sentence: "an origin is added that has nothing",
      offices: [],
      heal: () => {
        if (scene.serverUp) server.command({ kind: "remove-origin", location });
      },
    };
  },
};
