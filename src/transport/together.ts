import type { Channel } from "../effects/channels.ts";
import { DATAGRAM_BYTES_INITIAL } from "../wire/datagram.ts";
import type { SendOn } from "./send-on.ts";

/** What an acknowledgement and a message are sent from. */
const JOINED = new Uint8Array(DATAGRAM_BYTES_INITIAL);

/**
 * Sends an acknowledgement and a short message as one datagram of the network (DG3): each that is
 * sent and received has its price, whatever its length.
 */
export class Together {
  readonly #send: SendOn;
  readonly #channel: Channel;
  /** The acknowledgement, until it has been sent. */
  #datagram: Uint8Array | undefined;

  /** @param first - The acknowledgement, and the channel that it names. */
  constructor(first: { readonly channel: Channel; readonly datagram: Uint8Array }, send: SendOn) {
    this.#channel = first.channel;
    this.#datagram = first.datagram;
    this.#send = send;
  }

  /** Sends datagrams, the acknowledgement before them or with them. */
  readonly send: SendOn = (channel, bytes, segmentBytes) => {
    const datagram = this.#datagram;
    if (datagram === undefined) return this.#send(channel, bytes, segmentBytes);
    const lengthBytes = datagram.length + bytes.length;
    const isOne = channel === this.#channel && bytes.length <= segmentBytes;
    if (!isOne || lengthBytes > JOINED.length) {
      this.end();
      return this.#send(channel, bytes, segmentBytes);
    }
    this.#datagram = undefined;
    JOINED.set(datagram);
    JOINED.set(bytes, datagram.length);
    return this.#send(channel, JOINED.subarray(0, lengthBytes), lengthBytes);
  };

  /** Nothing more is sent: the acknowledgement goes alone if it has not gone yet. */
  end(): void {
    const datagram = this.#datagram;
    if (datagram === undefined) return;
    this.#datagram = undefined;
    // Where the world's queue is full, a later acknowledgement says it all again.
    this.#send(this.#channel, datagram, datagram.length);
  }
}
