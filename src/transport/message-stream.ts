import { ByteWriter } from "../base/byte-writer.ts";
import { concat } from "../base/bytes.ts";
import { err, ok, type Result } from "../base/result.ts";
import { MESSAGE_BYTES_MAX } from "../wire/messages.ts";
import { RECEIVE_WINDOW_BYTES, RECORD_WINDOW } from "./constants.ts";

/** Length of what stands before each message, in bytes. */
const LENGTH_BYTES = 4;

/**
 * Most runs of bytes that are kept beyond a gap. A record's part of the stream has no gaps, so there
 * are no more than records under way; more show that what they cost beside their bytes is the point.
 */
const EARLY_RUNS_MAX: number = 8 * RECORD_WINDOW;

/** A message as it stands in the stream: its length (big-endian), then its bytes. */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES + message.length);
  new DataView(bytes.buffer).setUint32(0, message.length);
  bytes.set(message, LENGTH_BYTES);
  return bytes;
}

/** Puts the stream of messages together again, in order, each part once. */
export class MessageStream {
  #nextBytes = 0;
  /** What came beyond the first gap, by offset; each run is the copy of parts that touched. */
  readonly #early: { readonly offsetBytes: number; readonly bytes: ByteWriter }[] = [];
  #earlyBytes = 0;
  #tail: Uint8Array[] = [];
  #tailBytes = 0;

  /**
   * Applies a part of the stream.
   *
   * @returns The messages it completed, or why the peer must be cut off.
   */
  onData(offsetBytes: number, data: Uint8Array): Result<readonly Uint8Array[], string> {
    if (offsetBytes > this.#nextBytes) return this.#keep(offsetBytes, data);
    this.#append(offsetBytes, data);
    // What came early may join now; parts that were sealed anew can overlap.
    let joined = 0;
    for (let run = this.#early[0]; run !== undefined; run = this.#early[joined]) {
      if (run.offsetBytes > this.#nextBytes) break;
      this.#earlyBytes -= run.bytes.length;
      this.#append(run.offsetBytes, run.bytes.written());
      joined += 1;
    }
    this.#early.splice(0, joined);
    return this.#takeMessages();
  }

  #keep(offsetBytes: number, data: Uint8Array): Result<readonly Uint8Array[], string> {
    const index = this.#runsUpTo(offsetBytes);
    const before = this.#early[index - 1];
    const endBytes = before === undefined ? 0 : before.offsetBytes + before.bytes.length;
    const touches = before !== undefined && offsetBytes <= endBytes;
    const fresh = touches ? data.subarray(endBytes - offsetBytes) : data;
    if (fresh.length === 0) return ok([]);
    this.#earlyBytes += fresh.length;
    if (this.#earlyBytes > 2 * RECEIVE_WINDOW_BYTES || this.#early.length >= EARLY_RUNS_MAX) {
      return err("the stream has too large a gap");
    }
    const bytes = touches ? before.bytes : new ByteWriter(fresh.length);
    bytes.bytes(fresh);
    if (!touches) this.#early.splice(index, 0, { offsetBytes, bytes });
    return ok([]);
  }

  /** How many runs begin at this offset or before it. */
  #runsUpTo(offsetBytes: number): number {
    let low = 0;
    let high = this.#early.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#early[middle]?.offsetBytes ?? 0) <= offsetBytes) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #append(offsetBytes: number, data: Uint8Array): void {
    // A copy: the record's memory is good for this step, and messages are kept for longer.
    const fresh = data.slice(this.#nextBytes - offsetBytes);
    if (fresh.length === 0) return;
    this.#tail.push(fresh);
    this.#tailBytes += fresh.length;
    this.#nextBytes += fresh.length;
  }

  #takeMessages(): Result<readonly Uint8Array[], string> {
    const messages: Uint8Array[] = [];
    while (this.#tailBytes >= LENGTH_BYTES) {
      const lengthBytes = this.#peekLength();
      if (lengthBytes > MESSAGE_BYTES_MAX) return err("a message is longer than the limit");
      if (this.#tailBytes < LENGTH_BYTES + lengthBytes) break;
      const tail = this.#tail.length === 1 ? this.#tail[0] : concat(this.#tail);
      const whole = tail ?? new Uint8Array(0);
      messages.push(whole.subarray(LENGTH_BYTES, LENGTH_BYTES + lengthBytes));
      const rest = whole.subarray(LENGTH_BYTES + lengthBytes);
      this.#tail = rest.length === 0 ? [] : [rest];
      this.#tailBytes = rest.length;
    }
    return ok(messages);
  }

  #peekLength(): number {
    let head = this.#tail[0] ?? new Uint8Array(0);
    if (head.length < LENGTH_BYTES) {
      head = concat(this.#tail);
      // Kept, or a message that comes byte by byte would be joined anew at each of them.
      this.#tail = [head];
    }
    return new DataView(head.buffer, head.byteOffset).getUint32(0);
  }
}
