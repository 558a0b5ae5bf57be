/**
 * The TLS 1.3 handshake as an effect: the world runs it on bytes that a machine carries, and says
 * when it is over. One handshake is named by its `key`, which the machine chose.
 */

/** Which of the two sides of a handshake we are. */
export type Side = "initiator" | "responder";

/** What a certificate allows its holder to be. */
export type Role = "server" | "device" | "connector";

/** What a certificate says, once the world has parsed it and checked its signature chain. */
export type CertificateFacts = {
  readonly role: Role;
  /** The id in the certificate's URI: of the device, or the organisation for a server. */
  readonly id: string;
  /** Whether the chain ends at the authority we trust. */
  readonly ours: boolean;
  readonly notBeforeS: number;
  readonly notAfterS: number;
  /** Lower-case hexadecimal digits. */
  readonly serial: string;
};

/**
 * Who the other side is: what its certificate says, `none` where it showed none, `malformed` where
 * the certificate is not one of the form that Branchline issues.
 */
export type ShownCertificate =
  | { readonly kind: "certificate"; readonly facts: CertificateFacts }
  | { readonly kind: "none" }
  | { readonly kind: "malformed"; readonly reason: string };

/** What the world tells a machine about a handshake. */
export type HandshakeInput =
  /** Bytes for the other side. */
  | { readonly kind: "handshake-bytes"; readonly key: number; readonly bytes: Uint8Array }
  | {
      readonly kind: "handshake-done";
      readonly key: number;
      /** 32 bytes that both sides have and nobody else (RFC 8446, section 7.5). */
      readonly secret: Uint8Array;
      readonly shown: ShownCertificate;
      /** The wall clock, in seconds since 1970: certificates are judged by it. */
      readonly wallS: number;
    }
  | { readonly kind: "handshake-failed"; readonly key: number; readonly reason: string };

/** What a machine may ask of the world about handshakes. */
export type HandshakeOutbox = {
  /**
   * Begins a handshake.
   *
   * @param anonymous - As the initiator: show no certificate (enrolment). A responder always asks
   * for one, and takes a missing one for the machine to judge.
   */
  handshakeStart(key: number, side: Side, anonymous: boolean): void;

  /** Hands over bytes from the other side, in order. */
  handshakeFeed(key: number, bytes: Uint8Array): void;

  /** Ends a handshake, whatever its state, and frees what it holds. */
  handshakeEnd(key: number): void;
};
