import { type Fault, victim } from "./fault.ts";

/**
 * A disk is copied into another machine of the office, without its contents: two machines have one
 * identity. The server finds out, takes it back, and both are given one of their own.
 */
export const clone: Fault = {
  kind: "clone",
  strike: (scene) => {
    const device = victim(scene, (one) => one !== scene.publisher);
    if (device === undefined || scene.restored) return undefined;
    const office = scene.officeOf(device);
    const copy = scene.organisation.copyOf(device, scene.freshHost(office));
    // A backup from before would know neither of them, and somebody would have to enrol them.
    scene.mayRestore = false;
    scene.join(copy);
    return { sentence: `${device.host} is copied to ${copy.host}`, offices: [office] };
  },
};
