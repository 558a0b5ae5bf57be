import { ByteWriter } from "../base/byte-writer.ts";
import { CHANNELS, type Channel } from "../effects/channels.ts";
import {
  BLOCK_OVERHEAD_BYTES,
  type Frame,
  STREAM_OVERHEAD_BYTES,
  writeFrame,
} from "../wire/frames.ts";
import { isSmall } from "./channel-choice.ts";

/** A frame that waits to be sealed, and the channel it travels on. */
type Waiting = { readonly channel: Channel; readonly frame: Frame };

/** What all write to: an array of 60 KiB for each record would be a good part of its cost. */
const WRITER = new ByteWriter();

/** Plaintext of a record, made of frames of one channel. */
export type Plaintext = { readonly channel: Channel; readonly bytes: Uint8Array };

/**
 * What an association has to say and has not sealed yet: messages first, then blocks.
 *
 * Long frames are cut to fit into whatever room a record has.
 */
export class Outgoing {
  #urgent: Waiting[] = [];
  #blocks: Waiting[] = [];
  #blockBytes = 0;

  get empty(): boolean {
    return this.#urgent.length === 0 && this.#blocks.length === 0;
  }

  /** The channel of what goes next, if it is anything but blocks. */
  get urgentChannel(): Channel | undefined {
    return this.#urgent[0]?.channel;
  }

  /** Whether a small message goes next. */
  get hasSmall(): boolean {
    const channel = this.urgentChannel;
    return channel !== undefined && isSmall(CHANNELS[channel]);
  }

  /** Whether more than small messages waits, as far as one can see. */
  get hasBulk(): boolean {
    const channel = this.urgentChannel;
    return this.#blocks.length > 0 || (channel !== undefined && !isSmall(CHANNELS[channel]));
  }

  /** How many bytes of blocks are waiting. */
  get blockBytes(): number {
    return this.#blockBytes;
  }

  add(channel: Channel, frame: Frame): void {
    if (frame.kind === "block") {
      this.#blocks.push({ channel, frame });
      this.#blockBytes += frame.data.length;
    } else {
      this.#urgent.push({ channel, frame });
    }
  }

  /** Puts frames back in front of all others of their kind: they were sealed before, in vain. */
  putBack(channel: Channel, frames: readonly Frame[]): void {
    const waiting = frames.map((frame) => ({ channel, frame }));
    const blocks = waiting.filter(({ frame }) => frame.kind === "block");
    this.#urgent = [...waiting.filter(({ frame }) => frame.kind !== "block"), ...this.#urgent];
    this.#blocks = [...blocks, ...this.#blocks];
    for (const { frame } of blocks)
      if (frame.kind === "block") this.#blockBytes += frame.data.length;
  }

  /** Drops all waiting blocks of a request. */
  dropBlocks(requestId: number): void {
    const drops = ({ frame }: Waiting): boolean =>
      frame.kind === "block" && frame.requestId === requestId;
    for (const { frame } of this.#blocks.filter(drops)) {
      if (frame.kind === "block") this.#blockBytes -= frame.data.length;
    }
    this.#blocks = this.#blocks.filter((waiting) => !drops(waiting));
  }

  /**
   * Takes the next frames that share a channel, at most `bytesMax` of them in all. Their bytes are
   * good until the next call, of whomever.
   */
  take(bytesMax: number): Plaintext | undefined {
    const queue = this.#urgent.length > 0 ? this.#urgent : this.#blocks;
    const channel = queue[0]?.channel;
    if (channel === undefined) return undefined;
    const writer = WRITER;
    writer.clear();
    let taken = 0;
    for (let waiting = queue[0]; waiting?.channel === channel; waiting = queue[taken]) {
      const rest = this.#write(writer, waiting.frame, bytesMax - writer.length);
      if (rest === waiting.frame) break;
      if (rest !== undefined) {
        queue[taken] = { channel, frame: rest };
        break;
      }
      taken += 1;
    }
    queue.splice(0, taken);
    return { channel, bytes: writer.written() };
  }

  /** Writes as much of a frame as there is room for; returns what is left, or all of it. */
  #write(writer: ByteWriter, frame: Frame, roomBytes: number): Frame | undefined {
    const overhead = frame.kind === "block" ? BLOCK_OVERHEAD_BYTES : STREAM_OVERHEAD_BYTES;
    if (roomBytes <= overhead) return frame;
    if (frame.kind !== "block" && frame.kind !== "stream") {
      writeFrame(writer, frame);
      return undefined;
    }
    const now = frame.data.subarray(0, roomBytes - overhead);
    if (frame.kind === "block") this.#blockBytes -= now.length;
    writeFrame(writer, { ...frame, data: now });
    if (now.length === frame.data.length) return undefined;
    const data = frame.data.subarray(now.length);
    return { ...frame, offsetBytes: frame.offsetBytes + now.length, data };
  }
}
