import type { Channel } from "../effects/channels.ts";

/** Puts datagrams on the wire; says when they left, or nothing where the world's queue is full. */
export type SendOn = (
  channel: Channel,
  bytes: Uint8Array,
  segmentBytes: number,
) => number | undefined;
