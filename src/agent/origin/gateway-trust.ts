import { certificateFacts } from "../../runtime/identity/certificate-facts.ts";
import { certificatePem } from "../../runtime/identity/identity.ts";
import { judgePeer } from "../../transport/judge-peer.ts";
import type { TlsTrust } from "./http-origin.ts";

/** The server that a device is enrolled at, as a place for packages. */
export type ServerPlace = {
  /** The address by which the device knows it. */
  readonly host: string;
  /** DER. */
  readonly authorityDer: Uint8Array;
  readonly organisation: string;
};

/**
 * Trusts the organisation's own server and nobody else (PO8): by its role and its organisation, as on
 * every association with it, and not by a name or an address, which differ from device to device.
 */
export function trustInServer({ authorityDer, organisation }: ServerPlace): TlsTrust {
  return {
    ca: certificatePem(authorityDer),
    checkServerIdentity: (_, { raw }) => {
      const judged = judgePeer(certificateFacts(raw, authorityDer), Date.now() / 1_000, {
        expected: { roles: ["server"], id: organisation },
        ...{ allowNone: false, expiredGraceS: 0, revokedSerials: new Set() },
      });
      return judged.ok ? undefined : new Error(judged.error.reason);
    },
    // A session that is taken up again would not be judged.
    maxCachedSessions: 0,
  };
}

/** The address at which the server has packages, for a location such as `gateway:8444`. */
export function gatewayAddress({ host }: ServerPlace, location: string): string | undefined {
  const port = Number(/^gateway:(\d{1,5})$/.exec(location)?.[1] ?? 0);
  if (port < 1 || port > 65_535) return undefined;
  return `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
