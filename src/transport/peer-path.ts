import { equalBytes } from "../base/bytes.ts";
import type { Channel } from "../effects/channels.ts";
import type { Side } from "../effects/handshake.ts";
import type { Address } from "../effects/network.ts";
import type { PeerPorts } from "./association-types.ts";

/** An address that the peer seems to have now, and has not been shown to have. */
type Candidate = {
  readonly address: Address;
  readonly token: Uint8Array;
  /** What may still be sent there: three times what came from there, less what was sent. */
  budgetBytes: number;
  challengedAtUs: number;
};

/** How many times as much may go to an address as came from it until it has answered. */
const AMPLIFICATION_MAX = 3;

/** The channel of the first HELLO. */
const GREETED: Channel = "message-small";

/** How long a challenge is on the wire, at most. */
const CHALLENGE_BYTES = 64;

/**
 * Where the peer is: its host, and the port to which each channel goes.
 *
 * The initiator knows the responder's ports beforehand. The responder learns the initiator's from
 * what comes, because whatever stands between may have changed them: a channel of which nothing has
 * come yet goes to the port of the first HELLO. Nobody believes a new address, a port included,
 * before a challenge that was sent there has been answered: a record can be copied on its way and
 * sent on from anywhere (RFC 9000, section 9.3).
 */
export class PeerPath {
  readonly #side: Side;
  readonly #ports: PeerPorts;
  #host: string;
  /**
   * The responder's: how a channel goes that is not in `#heard`, which is as another one that the
   * peer was heard on. What stands between lets in only what comes from where it was written to.
   */
  #fallback: { readonly channel: Channel; readonly port: number } | undefined;
  readonly #heard = new Map<Channel, number>();
  /** At most one for each channel. */
  readonly #candidates = new Map<Channel, Candidate>();

  constructor(side: Side, host: string, ports: PeerPorts) {
    this.#side = side;
    this.#host = host;
    this.#ports = ports;
  }

  get host(): string {
    return this.#host;
  }

  /** Where a channel's datagrams go; port 0 where the peer does not listen. */
  address(channel: Channel): Address {
    return this.way(channel).to;
  }

  /** Where a channel's datagrams go, and of which channel the port is that they leave from. */
  way(channel: Channel): { readonly to: Address; readonly by: Channel } {
    const host = this.#host;
    const isResponder = this.#side === "responder";
    if (!isResponder && this.#ports.kind === "table") {
      return { to: { host, port: this.#known(channel) }, by: channel };
    }
    const heard = this.#heard.get(channel);
    if (heard !== undefined) return { to: { host, port: heard }, by: channel };
    const known = { channel: GREETED, port: this.#known(GREETED) };
    const { port, channel: other } = this.#fallback ?? known;
    return { to: { host, port }, by: isResponder ? other : channel };
  }

  /**
   * A record has opened that came from this address on this channel.
   *
   * @returns A challenge to send there, where it is not known to be the peer's.
   */
  onOpened(
    nowUs: number,
    arrival: { readonly from: Address; readonly channel: Channel; readonly bytes: number },
    options: { readonly waitUs: number; readonly token: () => Uint8Array },
  ): { readonly to: Address; readonly token: Uint8Array } | undefined {
    const { from, channel, bytes } = arrival;
    if (this.#isKnown(from, channel)) {
      this.#candidates.delete(channel);
      return undefined;
    }
    const candidate = this.#candidateFor(nowUs, arrival, options);
    candidate.budgetBytes += AMPLIFICATION_MAX * bytes;
    const waits = nowUs - candidate.challengedAtUs < options.waitUs;
    if (waits || candidate.budgetBytes < CHALLENGE_BYTES) return undefined;
    candidate.budgetBytes -= CHALLENGE_BYTES;
    candidate.challengedAtUs = nowUs;
    return { to: candidate.address, token: candidate.token };
  }

  /** The peer has answered a challenge; says what that changed. */
  onResponse(token: Uint8Array): "host" | "port" | undefined {
    for (const [channel, candidate] of this.#candidates) {
      if (!equalBytes(candidate.token, token)) continue;
      const { host, port } = candidate.address;
      this.#candidates.delete(channel);
      this.#fallback = { channel, port };
      if (host === this.#host) {
        this.#heard.set(channel, port);
        return "port";
      }
      this.#host = host;
      this.#heard.clear();
      this.#heard.set(channel, port);
      this.#candidates.clear();
      return "host";
    }
    return undefined;
  }

  /** Nothing is answered: what was learnt of ports may be no longer true. */
  onSilence(): void {
    this.#heard.clear();
  }

  #known(channel: Channel): number {
    return this.#ports.kind === "single" ? this.#ports.port : (this.#ports.table[channel] ?? 0);
  }

  #isKnown(from: Address, channel: Channel): boolean {
    if (from.host !== this.#host) return false;
    // The initiator was told the responder's ports; whence it sends is of no account.
    return this.#side === "initiator" || from.port === this.#heard.get(channel);
  }

  #candidateFor(
    nowUs: number,
    arrival: { readonly from: Address; readonly channel: Channel },
    options: { readonly waitUs: number; readonly token: () => Uint8Array },
  ): Candidate {
    const { from, channel } = arrival;
    const known = this.#candidates.get(channel);
    const same = known?.address.host === from.host && known.address.port === from.port;
    // Whoever copies records must not push the peer's own new address aside again and again.
    const fresh = known !== undefined && nowUs - known.challengedAtUs < options.waitUs;
    if (known !== undefined && (same || fresh)) return known;
    const made: Candidate = {
      address: from,
      token: options.token(),
      budgetBytes: 0,
      challengedAtUs: Number.NEGATIVE_INFINITY,
    };
    this.#candidates.set(channel, made);
    return made;
  }
}
