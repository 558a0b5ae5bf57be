import type { Checker, CheckerParts } from "./checker.ts";

/** At most one device fetches for an office whose devices reach each other, once it has settled. */
export function holders({ scene, violate }: CheckerParts): Checker {
  const name = "holders";
  return {
    name,
    onEnd: () => {
      const { coordinator } = scene.organisation.server;
      for (const spec of coordinator.offices()) {
        const office = spec.name;
        const holding = scene.devices.filter((device) => {
          const status = device.status();
          return status?.rvp === true && status.office === office;
        });
        const most = spec.type === "vpn" ? 0 : 1;
        if (holding.length <= most) continue;
        const hosts = holding.map(({ host }) => host).join(" and ");
        violate(name, `${hosts} fetch for ${office}, a ${spec.type} office`);
      }
    },
  };
}
