import { parseDeviceId } from "../../../src/base/ids.ts";
import { associationEffects } from "../../../src/effects/associations.ts";
import type { PortTable } from "../../../src/effects/channels.ts";
import { nodeCrypto } from "../../../src/runtime/crypto.ts";
import { Driver, ENDPOINT_TIME } from "../../../src/runtime/driver.ts";
import {
  type Authority,
  issueDeviceCertificate,
  type Validity,
} from "../../../src/runtime/identity/authority.ts";
import type { Identity } from "../../../src/runtime/identity/identity.ts";
import { createSigningRequest } from "../../../src/runtime/identity/keys.ts";
import { TlsHandshakes } from "../../../src/runtime/tls-handshake.ts";
import { UdpSockets } from "../../../src/runtime/udp.ts";
import type {
  AssociationEvent,
  AssociationOutbox,
} from "../../../src/transport/association-types.ts";
import { Endpoint, type EndpointInput } from "../../../src/transport/endpoint.ts";
import type { PeerPolicy } from "../../../src/transport/judge-peer.ts";

const DAY_S = 86_400;

/** A certificate that has been expired for so long that nothing brings it back. */
export function longExpired(): Validity {
  const nowS = Math.floor(Date.now() / 1_000);
  return { notBeforeS: nowS - 400 * DAY_S, notAfterS: nowS - 370 * DAY_S };
}

/** A device's identity from an authority, which need not be one's own. */
export async function deviceIdentity(
  authority: Authority,
  device: { readonly deviceId: string; readonly validity?: Validity },
): Promise<Identity> {
  const deviceId = parseDeviceId(device.deviceId);
  if (deviceId === undefined) throw new Error(`${device.deviceId} is no device id`);
  const { privateKeyPem, requestDer } = await createSigningRequest();
  const nowS = Math.floor(Date.now() / 1_000);
  const issued = await issueDeviceCertificate(
    authority,
    requestDer,
    deviceId,
    nowS,
    device.validity,
  );
  if (!issued.ok) throw new Error(issued.error.reason);
  const { certificateDer } = issued.value;
  return { privateKeyPem, certificateDer, authorityDer: authority.certificateDer };
}

/** Calls an agent or the server as whoever `identity` says, and gives what comes of it. */
export async function call(
  identity: Identity,
  target: { readonly host: string; readonly ports: PortTable; readonly from: string },
): Promise<AssociationEvent> {
  const endpoint = new Endpoint({
    crypto: nodeCrypto,
    inboundPolicy: () => ({ ...ANYBODY, expected: { roles: [] } }),
    singlePort: true,
  });
  const { promise, resolve } = Promise.withResolvers<AssociationEvent>();
  const handshakes = new TlsHandshakes({
    identity,
    wallS: () => Math.floor(Date.now() / 1_000),
    onInput: (input) => driver.input(input),
  });
  const sockets = await UdpSockets.open({
    address: target.from,
    ports: { "message-small": 0 },
    onInput: (input) => driver.input(input),
  });
  const outbox: AssociationOutbox = {
    ...associationEffects(sockets, handshakes),
    report: resolve,
  };
  const driver = new Driver<EndpointInput, AssociationOutbox>(endpoint, outbox, ENDPOINT_TIME);
  try {
    driver.act((nowUs, out) => {
      const { host, ports: table } = target;
      endpoint.connect(nowUs, { host, ports: { kind: "table", table }, policy: ANYBODY }, out);
    });
    return await promise;
  } finally {
    driver.stop();
    handshakes.close();
    await sockets.close();
  }
}

/** A caller that takes whoever answers: what is tested is what the one who is called does. */
const ANYBODY: PeerPolicy = {
  expected: { roles: ["device", "server"] },
  allowNone: false,
  expiredGraceS: 0,
  revokedSerials: new Set(),
};
