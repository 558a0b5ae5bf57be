/** What the tests of the TLS handshake share: identities, and two sides joined in memory. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, vi } from "vitest";
import { type DeviceId, parseDeviceId } from "../base/ids.ts";
import type { HandshakeInput, Role, ShownCertificate, Side } from "../effects/handshake.ts";
import { judgePeer, type PeerPolicy } from "../transport/judge-peer.ts";
import {
  type Authority,
  createAuthority,
  issueDeviceCertificate,
  issueServerCertificate,
  type Validity,
} from "./identity/authority.ts";
import type { Identity } from "./identity/identity.ts";
import { createSigningRequest } from "./identity/keys.ts";
import { TlsHandshakes, type TlsHandshakesOptions } from "./tls-handshake.ts";

export const NOW_S = 1_800_000_000;
export const KEY = 7;
export const ID = deviceId("00112233445566778899aabbccddeeff");
export const OTHER_ID = deviceId("ffeeddccbbaa99887766554433221100");

export const authority = await createAuthority("Acme", NOW_S);
export const foreign = await createAuthority("Acme", NOW_S);
export const device = await deviceIdentity(authority, ID);
export const otherDevice = await deviceIdentity(authority, OTHER_ID);
export const server = await serverIdentity(authority);

/** How often conditions are looked at: handshakes take a few milliseconds. */
const POLL = { interval: 2, timeout: 5_000 };

export type Options = Omit<TlsHandshakesOptions, "wallS" | "onInput">;

export type Done = Extract<HandshakeInput, { readonly kind: "handshake-done" }>;

export type Wanted = Partial<Omit<PeerPolicy, "expected">> & {
  readonly roles?: readonly Role[];
  readonly id?: string;
};

export type Both = { readonly initiator: HandshakeInput[]; readonly responder: HandshakeInput[] };

/** Two programs of which one hands on to the other what its handshakes say. */
export class Link {
  readonly inputs: Both = { initiator: [], responder: [] };
  readonly initiator: TlsHandshakes;
  readonly responder: TlsHandshakes;

  constructor(
    initiator: Options,
    responder: Options,
    carry: (from: Side, bytes: Uint8Array) => Uint8Array = (_from, bytes) => bytes,
  ) {
    this.initiator = new TlsHandshakes({
      ...initiator,
      wallS,
      onInput: (input) => {
        this.inputs.initiator.push(input);
        if (input.kind !== "handshake-bytes") return;
        this.responder.handshakeFeed(input.key, carry("initiator", input.bytes));
      },
    });
    this.responder = new TlsHandshakes({
      ...responder,
      wallS,
      onInput: (input) => {
        this.inputs.responder.push(input);
        if (input.kind !== "handshake-bytes") return;
        this.initiator.handshakeFeed(input.key, carry("responder", input.bytes));
      },
    });
  }

  start(key: number, anonymous: boolean): void {
    this.responder.handshakeStart(key, "responder", false);
    this.initiator.handshakeStart(key, "initiator", anonymous);
  }

  /** Runs one handshake until both sides are through with it, or one has failed. */
  async run(key: number, anonymous: boolean): Promise<Both> {
    const from = [this.inputs.initiator.length, this.inputs.responder.length];
    const fresh = () => ({
      initiator: this.inputs.initiator.slice(from[0]),
      responder: this.inputs.responder.slice(from[1]),
    });
    this.start(key, anonymous);
    await vi.waitFor(() => {
      const { initiator, responder } = fresh();
      const ends = [...initiator, ...responder].map((input) => input.kind);
      const isFailed = ends.includes("handshake-failed");
      expect(isFailed || ends.filter((kind) => kind === "handshake-done").length === 2).toBe(true);
    }, POLL);
    await turns(10);
    this.initiator.close();
    this.responder.close();
    return fresh();
  }
}

/** Runs one handshake between two programs; `anonymous` is the initiator's choice. */
export function shakeHands(
  initiator: Options,
  responder: Options,
  anonymous = false,
): Promise<Both> {
  return new Link(initiator, responder).run(KEY, anonymous);
}

/** One program alone, and what its handshakes say. */
export function single(options: Options): {
  readonly inputs: HandshakeInput[];
  readonly handshakes: TlsHandshakes;
} {
  const inputs: HandshakeInput[] = [];
  const onInput = (input: HandshakeInput) => inputs.push(input);
  return { inputs, handshakes: new TlsHandshakes({ ...options, wallS, onInput }) };
}

/** The last input, which must say that the handshake is done. */
export function doneOf(inputs: readonly HandshakeInput[]): Done {
  const last = inputs.at(-1);
  if (last?.kind !== "handshake-done") throw new Error(`not done: ${JSON.stringify(last)}`);
  return last;
}

/** Why the handshake failed, which must have been said once, and nothing of success. */
export function failureOf(inputs: readonly HandshakeInput[]): string {
  const failures = inputs.filter((input) => input.kind === "handshake-failed");
  expect(failures).toHaveLength(1);
  expect(kindsOf(inputs)).not.toContain("handshake-done");
  return failures[0]?.reason ?? "";
}

/** The kinds of inputs in the order they came. */
export function kindsOf(inputs: readonly HandshakeInput[]): readonly HandshakeInput["kind"][] {
  return inputs.map((input) => input.kind);
}

/** The peer's role where it may stay, otherwise the code of the refusal. */
export function verdictOf(done: { readonly shown: ShownCertificate }, wanted: Wanted): string {
  const { roles = ["device"], id, ...rest } = wanted;
  const verdict = judgePeer(done.shown, NOW_S, {
    expected: id === undefined ? { roles } : { roles, id },
    allowNone: false,
    expiredGraceS: 0,
    revokedSerials: new Set(),
    ...rest,
  });
  return verdict.ok ? verdict.value.role : verdict.error.code;
}

/** Makes a device's identity, with dates other than the usual where they are given. */
export async function deviceIdentity(
  issuer: Authority,
  id: DeviceId,
  validity?: Validity,
): Promise<Identity> {
  const { privateKeyPem, requestDer } = await createSigningRequest();
  const issued = await issueDeviceCertificate(issuer, requestDer, id, NOW_S, validity);
  if (!issued.ok) throw new Error(issued.error.reason);
  const { certificateDer } = issued.value;
  return { privateKeyPem, certificateDer, authorityDer: issuer.certificateDer };
}

/** Makes a server's identity. */
export async function serverIdentity(issuer: Authority): Promise<Identity> {
  const { privateKeyPem, requestDer } = await createSigningRequest();
  const issued = await issueServerCertificate(issuer, requestDer, NOW_S);
  if (!issued.ok) throw new Error(issued.error.reason);
  const { certificateDer } = issued.value;
  return { privateKeyPem, certificateDer, authorityDer: issuer.certificateDer };
}

/** The id that `text` must be. */
export function deviceId(text: string): DeviceId {
  const id = parseDeviceId(text);
  if (id === undefined) throw new Error(`not a device id: ${text}`);
  return id;
}

/** Lets everything that is under way in this process go on for a while, without any clock. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await nextTurn();
}

/** The wall clock of all tests, which stands still. */
export function wallS(): number {
  return NOW_S;
}

/** Takes an event that matters to nobody. */
export function ignore(): void {
  // Nobody needs to know.
}
