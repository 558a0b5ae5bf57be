import { BlockList } from "node:net";
import { networkInterfaces } from "node:os";

/** One address of this machine on a network that others may be on. */
export type OwnAddress = {
  readonly interface: string;
  readonly address: string;
  readonly family: "ipv4" | "ipv6";
  /** The addresses of its subnet. */
  readonly subnet: BlockList;
};

/** The addresses of this machine; of loopback only where an address of it is asked for. */
export function ownAddresses(only?: string): readonly OwnAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, infos]) =>
    (infos ?? []).flatMap((info) => {
      const family = info.family === "IPv4" ? "ipv4" : "ipv6";
      const [, bits = ""] = (info.cidr ?? "").split("/");
      const isMeant = only === undefined ? !info.internal : info.address === only;
      if (!isMeant || bits === "") return [];
      const subnet = new BlockList();
      subnet.addSubnet(info.address, Number(bits), family);
      return [{ interface: name, address: info.address, family, subnet } as const];
    }),
  );
}

/** The address of ours that lies in the same subnet as another one; `undefined`: it is far away. */
export function addressBeside(
  addresses: readonly OwnAddress[],
  host: string,
): OwnAddress | undefined {
  const [plain = "", scope] = host.split("%");
  return addresses.find(
    (own) =>
      own.family === (plain.includes(":") ? "ipv6" : "ipv4") &&
      (scope === undefined || scope === own.interface) &&
      own.subnet.check(plain, own.family),
  );
}
