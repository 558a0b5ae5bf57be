import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { toHex } from "../base/hex.ts";
import { associationEffects } from "../effects/associations.ts";
import { nodeCrypto } from "../runtime/crypto.ts";
import { Driver, ENDPOINT_TIME } from "../runtime/driver.ts";
import { parseFingerprint } from "../runtime/identity/fingerprint.ts";
import { saveIdentity } from "../runtime/identity/identity-file.ts";
import { createSigningRequest } from "../runtime/identity/keys.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { loadPublisher } from "../runtime/publisher-key.ts";
import { TlsHandshakes } from "../runtime/tls-handshake.ts";
import { UdpSockets } from "../runtime/udp.ts";
import type { AssociationEvent, AssociationOutbox } from "../transport/association-types.ts";
import { Endpoint, type EndpointInput } from "../transport/endpoint.ts";
import { decodeMessage, type Enrol, type Enrolled, encodeMessage } from "../wire/messages.ts";
import { agentFiles, saveEnrolment } from "./enrolment-file.ts";
import { machineIdOf } from "./machine-id.ts";
import { lineOf, serverPorts } from "./ports.ts";
import type { AgentSettings } from "./settings.ts";

/** What a device enrols with. */
export type EnrolmentOptions = {
  /** The server's address. */
  readonly server: string;
  /** The security key. */
  readonly key: string;
  /** Of the server's authority, as `server init` printed it. */
  readonly fingerprint: string;
  readonly publisherFiles: readonly string[];
};

/**
 * Brings the device its certificate: makes a key, asks the server, keeps what it answers.
 *
 * @throws OperatorError `fingerprint-malformed`, `server-unreachable`, `enrolment-refused`, the
 * code of a refused certificate, and what reading publishers and writing files throws.
 */
export async function enrolAgent(
  settings: AgentSettings,
  options: EnrolmentOptions,
): Promise<{ readonly deviceId: string }> {
  if (parseFingerprint(options.fingerprint) === undefined) {
    throw new OperatorError(
      "fingerprint-malformed",
      'A fingerprint has 64 hexadecimal digits: copy it from what "branchline server init" printed.',
    );
  }
  const publishers = await Promise.all(options.publisherFiles.map(loadPublisher));
  const files = agentFiles(settings.data);
  await mkdir(settings.data, { recursive: true, mode: 0o700 });
  const { privateKeyPem, requestDer } = await createSigningRequest();
  const machineId = await machineIdOf(settings, randomUUID());
  const answer = await ask(settings, options, {
    kind: "enrol",
    securityKey: options.key,
    request: requestDer,
    hostName: hostname(),
    machineId,
  });
  const { deviceId, certificate, authority, organisation } = answer;
  await saveIdentity(files.identity, {
    privateKeyPem,
    certificateDer: certificate.slice(),
    authorityDer: authority.slice(),
  });
  await saveEnrolment(files.enrolment, {
    deviceId,
    machineId,
    organisation,
    serverHost: options.server,
    publishers: publishers.map(({ name, key }) => ({ name, key: toHex(key) })),
  });
  return { deviceId };
}

/** Asks the server over an association of its own, from a port of its own. */
async function ask(
  settings: AgentSettings,
  options: EnrolmentOptions,
  enrol: Enrol,
): Promise<Enrolled> {
  const endpoint = new Endpoint({
    crypto: nodeCrypto,
    // Nobody has reason to come to a device that is enrolling.
    inboundPolicy: () => ({ ...NOBODY, expected: { roles: [] } }),
    singlePort: true,
  });
  const { promise, resolve, reject } = Promise.withResolvers<Enrolled>();
  const handshakes = new TlsHandshakes({
    pinnedAuthorityFingerprint: options.fingerprint,
    wallS: () => Math.floor(Date.now() / 1_000),
    onInput: (input) => driver.input(input),
  });
  const sockets = await UdpSockets.open({
    ...(settings.network.address === undefined ? {} : { address: settings.network.address }),
    ...lineOf(settings.network.line),
    ports: { "message-small": 0 },
    onInput: (input) => driver.input(input),
  });
  const outbox: AssociationOutbox = {
    ...associationEffects(sockets, handshakes),
    report: (event) => {
      if (event.kind === "association-up") {
        driver.act((nowUs, out) => {
          endpoint.sendMessage(nowUs, event.association, encodeMessage(enrol), out);
        });
      } else {
        settle(event, options, { resolve, reject });
      }
    },
  };
  const driver = new Driver<EndpointInput, AssociationOutbox>(endpoint, outbox, ENDPOINT_TIME);
  try {
    driver.act((nowUs, out) => {
      const policy = { ...NOBODY, expected: { roles: ["server"] as const } };
      const target = {
        host: options.server,
        ports: serverPorts(settings),
        policy,
        anonymous: true,
      };
      endpoint.connect(nowUs, target, out);
    });
    return await promise;
  } finally {
    driver.act((nowUs, out) => endpoint.closeAll(nowUs, "enrolment is over", out));
    driver.stop();
    handshakes.close();
    await sockets.close();
  }
}

const NOBODY = { allowNone: false, expiredGraceS: 0, revokedSerials: new Set<string>() };

function settle(
  event: AssociationEvent,
  options: EnrolmentOptions,
  outcome: {
    readonly resolve: (answer: Enrolled) => void;
    readonly reject: (error: Error) => void;
  },
): void {
  if (event.kind === "association-down") {
    const code = event.code === "unreachable" ? "server-unreachable" : event.code;
    const hint = event.code === "foreign-certificate" ? FINGERPRINT_HINT : "";
    const who = `The server at ${options.server}`;
    const said = event.byPeer ? "refused" : "was refused";
    const text =
      code === "server-unreachable" ? event.reason : `${who} ${said}: ${event.reason}${hint}`;
    outcome.reject(new OperatorError(code, text));
  }
  if (event.kind !== "message-received") return;
  const message = decodeMessage(event.bytes);
  if (message?.kind === "enrolled") outcome.resolve(message);
  if (message?.kind === "refused") {
    outcome.reject(new OperatorError(message.code, message.reason));
  }
}

const FINGERPRINT_HINT =
  " The fingerprint does not fit this server: compare it with what `server init` printed.";
