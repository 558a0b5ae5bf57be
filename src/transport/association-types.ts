import type { PortTable } from "../effects/channels.ts";
import type { Crypto } from "../effects/crypto.ts";
import type { HandshakeOutbox, Side } from "../effects/handshake.ts";
import type { NetworkOutbox } from "../effects/network.ts";
import type { ControllerStatus } from "./congestion/controller.ts";
import type { PeerIdentity, PeerPolicy } from "./judge-peer.ts";

/** How contents travel: to another office, or within one. */
export type Protocol = "foreground" | "background";

/** What an association tells the part of the product that uses it. */
export type AssociationEvent =
  | {
      readonly kind: "association-up";
      readonly association: number;
      readonly peer: PeerIdentity;
      readonly host: string;
      readonly side: Side;
    }
  | {
      readonly kind: "association-down";
      readonly association: number;
      readonly host: string;
      /** A stable word: a close code's name or a certificate refusal's code. */
      readonly code: string;
      /** A sentence for the operator. */
      readonly reason: string;
      readonly byPeer: boolean;
      /** Whether it had been up. */
      readonly wasUp: boolean;
    }
  | {
      /** The peer is at another host now, and has shown that it is. */
      readonly kind: "association-moved";
      readonly association: number;
      readonly host: string;
    }
  | {
      readonly kind: "message-received";
      readonly association: number;
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: "block-received";
      readonly association: number;
      readonly requestId: number;
      readonly offsetBytes: number;
      /** Good for the step that reports it, unless it is `lasting`. */
      readonly data: Uint8Array;
      /** Whether `data` never changes: it may be kept as it is. */
      readonly lasting?: boolean;
    };

/** What an association may ask of the world and say to its user. */
export type AssociationOutbox = NetworkOutbox &
  HandshakeOutbox & { report(event: AssociationEvent): void };

/** What is known of the path to a peer; of the law that sends, once the association is up. */
export type PathStatus = Partial<ControllerStatus> & {
  /** The smoothed round trip, in microseconds; 0 before the first sample. */
  readonly rttUs: number;
  /** Whether the peer has opened all that was sent, and nothing waits. */
  readonly idle?: boolean;
};

/** What is heard of a peer, in microseconds. */
export type Hearing = {
  /** Since when nothing. */
  readonly unheardUs: number;
  /** For how long it has held back what it has for us, since others use the line; 0 if it does not. */
  readonly heldBackUs: number;
};

/** Where the other side listens. */
export type PeerPorts =
  | { readonly kind: "table"; readonly table: PortTable }
  | { readonly kind: "single"; readonly port: number };

/** What both sides of an association are made from. */
export type AssociationOptions = {
  readonly crypto: Crypto;
  /** Our association id, which also names the handshake. */
  readonly id: number;
  readonly side: Side;
  readonly policy: PeerPolicy;
  readonly host: string;
  readonly ports: PeerPorts;
  /** The initiator's: show no certificate. */
  readonly anonymous: boolean;
  /** Whether we want to be answered on the port that we send from. */
  readonly singlePort: boolean;
  /** The responder's: the id that the initiator chose. */
  readonly peerId?: number;
};
