import { concat } from "../base/bytes.ts";
import { err, ok, type Result } from "../base/result.ts";
import { MESSAGE_BYTES_MAX } from "../wire/messages.ts";
import { RECEIVE_WINDOW_BYTES } from "./constants.ts";

/** Length of what stands before each message, in bytes. */
const LENGTH_BYTES = 4;

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
  readonly #early = new Map<number, Uint8Array>();
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
    for (let joined = true; joined; ) {
      joined = false;
      for (const [early, part] of this.#early) {
        if (early > this.#nextBytes) continue;
        this.#early.delete(early);
        this.#earlyBytes -= part.length;
        this.#append(early, part);
        joined = true;
      }
    }
    return this.#takeMessages();
  }

  #keep(offsetBytes: number, data: Uint8Array): Result<readonly Uint8Array[], string> {
    const known = this.#early.get(offsetBytes)?.length ?? 0;
    if (data.length <= known) return ok([]);
    this.#earlyBytes += data.length - known;
    if (this.#earlyBytes > 2 * RECEIVE_WINDOW_BYTES) return err("the stream has too large a gap");
    this.#early.set(offsetBytes, data);
    return ok([]);
  }

  #append(offsetBytes: number, data: Uint8Array): void {
    const fresh = data.subarray(this.#nextBytes - offsetBytes);
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
    const first = this.#tail[0] ?? new Uint8Array(0);
    const head = first.length >= LENGTH_BYTES ? first : concat(this.#tail);
    return new DataView(head.buffer, head.byteOffset).getUint32(0);
  }
}
