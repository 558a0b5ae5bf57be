import { SECOND } from "../../base/units.ts";
import type { ProfileTargets } from "../../coordinator/profile-rows.ts";
import type { Scene } from "../scene.ts";
import { type Fault, pick } from "./fault.ts";

/**
 * An administrator has a device, or an office with those below it, take no part in what devices give
 * each other, and later takes that back.
 */
export const isolate: Fault = {
  kind: "profile-isolates",
  strike: (scene) => {
    if (!scene.serverUp) return undefined;
    const { server } = scene.organisation;
    const mode = pick(scene.prng, ["local", "disabled"] as const) ?? "local";
    const add = drawTargets(scene);
    const name = `P${server.coordinator.profiles().length}`;
    const storage = { storageId: "s", kind: "directory", location: "/srv", details: {} } as const;
    server.command({ kind: "set-file-storage", storage });
    server.command({ kind: "create-profile", name, values: { mode } });
    const published = server.command({ kind: "publish-profile", name, add });
    if (published?.kind !== "profile-changed") return undefined;
    const whom = [...(add.offices ?? []), ...(add.devices ?? [])].join();
    return {
      sentence: `an administrator has ${whom} in mode ${mode}`,
      offices: "all",
      heal: () => takeBack(scene, name),
    };
  },
};

/** As soon as there is a server to tell. */
function takeBack(scene: Scene, name: string): void {
  if (scene.serverUp) {
    const command = { kind: "publish-profile", name, everywhere: true } as const;
    scene.organisation.server.command(command);
    return;
  }
  scene.world.plan(SECOND, () => takeBack(scene, name));
}

function drawTargets({ prng, offices, devices }: Scene): Partial<ProfileTargets> {
  const office = pick(prng, offices)?.name;
  const deviceId = pick(prng, devices)?.deviceId;
  if (prng.below(3) === 0 && office !== undefined) return { offices: [office] };
  return deviceId === undefined ? {} : { devices: [deviceId] };
}
