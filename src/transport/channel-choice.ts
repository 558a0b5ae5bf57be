import { CHANNELS, type Channel } from "../effects/channels.ts";
import type { Protocol } from "./association-types.ts";

/** What travels as a small message; the rest are large ones with ports of their own. */
const SMALL_MESSAGE_BYTES = 1_024;

/** The channel of a message. */
export function messageChannel(protocol: Protocol, lengthBytes: number): Channel {
  return lengthBytes <= SMALL_MESSAGE_BYTES ? "message-small" : `message-large-${protocol}`;
}

/** The channels on which a peer may be sent much. */
export function bulkChannels(protocol: Protocol): readonly Channel[] {
  return [`content-${protocol}`, `message-large-${protocol}`];
}

const SMALL: ReadonlySet<number> = new Set([CHANNELS["message-small"], CHANNELS["reply-small"]]);

/** Whether the channel with this number is one of small messages. */
export function isSmall(channel: number): boolean {
  return SMALL.has(channel);
}
