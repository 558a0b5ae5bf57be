import type { ContentId, DeviceId } from "../base/ids.ts";
import type { decodeSignedManifest } from "../content/manifest-codec.ts";
import type { Crypto } from "../effects/crypto.ts";
import type { HandshakeOutbox } from "../effects/handshake.ts";
import type { NetworkOutbox } from "../effects/network.ts";
import type { OriginInput, OriginOutbox } from "../effects/origin.ts";
import type { HeldContent, StorageInput, StorageOutbox } from "../effects/storage.ts";
import type { PeerPorts } from "../transport/association-types.ts";
import type { MakeAssociations } from "../transport/associations.ts";
import type { EndpointInput } from "../transport/endpoint.ts";
import type { Attribute, ContentState, Facts, PieceSource } from "../wire/messages.ts";
import type { ProfileInForce, ProfileValues } from "../wire/profile.ts";
import type { Hold } from "./permits.ts";
import type { Listening } from "./profile-in-force.ts";

/** What an agent's brain is told. */
export type PeerInput =
  | EndpointInput
  | StorageInput
  | OriginInput
  /** The operator published a content whose bytes the store has already imported. */
  | { readonly kind: "publish"; readonly contentId: ContentId; readonly manifest: Uint8Array }
  /** What was published is not accepted, and the store gives it up. */
  | { readonly kind: "withdraw"; readonly contentId: ContentId }
  /** The device's certificate is to be renewed; nothing happens while the server is away. */
  | { readonly kind: "renew"; readonly request: Uint8Array }
  /** The device has other addresses than before: a dock, another network, a new lease. */
  | { readonly kind: "addresses-changed"; readonly hosts: readonly string[] }
  /** What the device's wall clock shows; said at least each minute, because it may jump. */
  | { readonly kind: "wall-clock"; readonly wallMs: number }
  /** What the machine reports of itself has changed. */
  | { readonly kind: "facts-changed"; readonly facts: Facts }
  /** Another machine has the same identity: the device asks for one of its own. */
  | { readonly kind: "enrol-anew"; readonly request: Uint8Array }
  /** The program is about to end. */
  | { readonly kind: "stop"; readonly reason: string };

/** What an agent's brain may ask of the world. */
export type PeerOutbox = NetworkOutbox &
  HandshakeOutbox &
  StorageOutbox &
  OriginOutbox & {
    /** Sends a datagram to all devices of the device's subnets, on the discovery port. */
    broadcast(bytes: Uint8Array): void;
    report(event: PeerEvent): void;
  };

/** What happened, for the log and for those who wait. Names are stable. */
export type PeerEvent =
  | { readonly kind: "server-connected" }
  | { readonly kind: "server-lost"; readonly code: string; readonly reason: string }
  | { readonly kind: "peer-connected"; readonly deviceId: DeviceId; readonly host: string }
  | {
      readonly kind: "peer-lost";
      readonly deviceId: string;
      readonly host: string;
      readonly code: string;
      readonly reason: string;
    }
  | {
      /** Somebody called, and one of us did not let the other in. */
      readonly kind: "peer-refused";
      readonly host: string;
      readonly code: string;
      readonly reason: string;
      readonly byPeer: boolean;
    }
  | { readonly kind: "peer-misbehaved"; readonly deviceId: string; readonly what: string }
  /** A device of our office has answered on our LAN that had not lately. */
  | { readonly kind: "device-discovered"; readonly deviceId: DeviceId; readonly host: string }
  | { readonly kind: "office-assigned"; readonly office: string }
  | { readonly kind: "rvp-changed"; readonly self: boolean; readonly deviceId: string }
  | { readonly kind: "content-started"; readonly contentId: ContentId; readonly pieces: number }
  | { readonly kind: "content-finished"; readonly contentId: ContentId }
  | {
      readonly kind: "content-failed";
      readonly contentId: ContentId;
      readonly problem: string;
    }
  | {
      readonly kind: "piece-mismatched";
      readonly contentId: ContentId;
      readonly piece: number;
      readonly deviceId: string;
    }
  | { readonly kind: "certificate-issued"; readonly certificate: Uint8Array }
  /** Another machine has this identity too: a key and a request for an own one are needed. */
  | { readonly kind: "identity-cloned" }
  /** Answers `enrol-anew`: the program begins anew with this identity. */
  | {
      readonly kind: "identity-issued";
      readonly deviceId: DeviceId;
      readonly certificate: Uint8Array;
    }
  /** Pieces that a device or an origin sent are not what they should be: it is left alone. */
  | { readonly kind: "source-shunned"; readonly source: string; readonly why: string }
  | { readonly kind: "content-evicted"; readonly contentId: ContentId }
  /** Other values of profiles are in force than before. */
  | {
      readonly kind: "profile-taken";
      readonly mode: string;
      readonly profiles: readonly string[];
      readonly problems: readonly string[];
    }
  | { readonly kind: "content-published"; readonly contentId: ContentId }
  | {
      readonly kind: "publication-refused";
      readonly contentId: ContentId;
      readonly code: string;
      readonly reason: string;
    };

/** What an agent's brain is made from. */
export type PeerOptions = {
  readonly crypto: Crypto;
  readonly seed: number;
  readonly deviceId: DeviceId;
  readonly hostName: string;
  /** Under which addresses others can reach this device, the best first. */
  readonly hosts: readonly string[];
  readonly portOffset: number;
  /** The port of the single-port mode, where it is on. */
  readonly singlePort?: number;
  readonly facts: Facts;
  /** The device's own values, which count where no profile says anything. */
  readonly ownValues?: ProfileValues;
  /** On which ports it listens; absent: those of the table and `portOffset`. */
  readonly listening?: Listening;
  /** What else the machine is, for deployments that go by it. */
  readonly attributes?: readonly Attribute[];
  /** Drawn at each start of the program. */
  readonly bootId: number;
  readonly machineId: string;
  /** What was remembered before, by name; empty at the first start. */
  readonly remembered: ReadonlyMap<string, Uint8Array>;
  readonly server: {
    readonly host: string;
    readonly ports: PeerPorts;
    /** The organisation, which is the id in the server's certificate. */
    readonly organisation: string;
  };
  /** What the store holds at the start. */
  readonly held: readonly HeldContent[];
  /** How a manifest is read; a world of many devices reads each one once. */
  readonly readManifest?: typeof decodeSignedManifest;
  /** What the brain speaks to others through; by default over datagrams. */
  readonly makeAssociations?: MakeAssociations;
};

/** Where an agent stands, for `branchline agent status`. */
export type PeerStatus = {
  readonly office: string;
  readonly serverConnected: boolean;
  readonly rvp: boolean;
  /** The values in force, and which profile set each. */
  readonly profile: ProfileInForce;
  /** What stands between the device and what profiles say, as sentences. */
  readonly profileProblems: readonly string[];
  /** For how long pieces have been held back because others use the line; 0 where they are not. */
  readonly lineBusyMs: number;
  readonly contents: readonly {
    readonly contentId: ContentId;
    readonly name: string;
    readonly version: string;
    readonly state: ContentState;
    readonly pieces: number;
    readonly piecesHeld: number;
    readonly sizeBytes: number;
    readonly heldBytes: number;
    readonly wanInBytes: number;
    readonly lanInBytes: number;
    readonly wanOutBytes: number;
    readonly lanOutBytes: number;
    readonly originInBytes: number;
    /** Whether it has been handed over on this device. */
    readonly delivered: boolean;
    /** Why it is not fetched now though it is to be had. */
    readonly hold: Hold;
    /** Whether a deployment has its signed action run. */
    readonly runAction: boolean;
    readonly problem: string;
  }[];
  readonly peers: readonly {
    readonly deviceId: string;
    readonly office: string;
    readonly host: string;
    readonly connected: boolean;
    readonly rttUs: number;
  }[];
};

/** Why each piece of a content came from where it came; pieces that are not held are left out. */
export type Explanation = {
  readonly contentId: ContentId;
  readonly pieces: number;
  /** In the order of the pieces; both ends are part of a range. */
  readonly ranges: readonly {
    readonly first: number;
    readonly last: number;
    readonly source: PieceSource;
    /** A few stable words. */
    readonly reason: string;
  }[];
  readonly totals: readonly {
    readonly source: PieceSource;
    readonly pieces: number;
    readonly bytes: number;
  }[];
};
