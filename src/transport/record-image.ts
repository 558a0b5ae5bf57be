import { MIB } from "../base/units.ts";
import { TAG_BYTES } from "../effects/crypto.ts";
import { RECORD_HEADER_BYTES, type RecordDatagram, writeRecordHeader } from "../wire/datagram.ts";
import { FRAGMENTS_MAX, RECORD_BYTES_MAX } from "./constants.ts";
import type { OutRecord } from "./sent-packets.ts";

/** Length of the buffers that are kept: the image of any record. */
const BUFFER_BYTES: number = RECORD_BYTES_MAX + TAG_BYTES + FRAGMENTS_MAX * RECORD_HEADER_BYTES;

/** Shorter images have memory of their own: they would hold much more than they need. */
const KEPT_BYTES_MIN = BUFFER_BYTES / 4;

/** Most buffers that are kept while nobody needs them. */
const KEPT_MAX: number = Math.floor((8 * MIB) / BUFFER_BYTES);

/**
 * Memory of images that are not needed any more: an allocation for each record would have the
 * garbage collector at work all the time.
 */
const free: ArrayBuffer[] = [];

/** The header fields that all fragments of a record share. */
type RecordHeader = Pick<RecordDatagram, "channel" | "lane" | "phase" | "destination" | "record">;

/** Lays out a record's ciphertext as the datagrams it will travel in; {@link dropImage} ends it. */
export function cutRecord(
  header: RecordHeader,
  sealed: Uint8Array,
  segmentBytes: number,
): OutRecord {
  const payloadBytes = segmentBytes - RECORD_HEADER_BYTES;
  const fragments = Math.ceil(sealed.length / payloadBytes);
  const image = memoryFor(sealed.length + fragments * RECORD_HEADER_BYTES);
  const view = new DataView(image.buffer);
  const { channel, lane, phase, destination, record } = header;
  for (let fragment = 0; fragment < fragments; fragment += 1) {
    const payload = sealed.subarray(fragment * payloadBytes, (fragment + 1) * payloadBytes);
    writeRecordHeader(view, fragment * segmentBytes, {
      channel,
      lane,
      phase,
      destination,
      packet: 0,
      record,
      fragment,
      last: fragment === fragments - 1,
      lengthBytes: payload.length,
    });
    image.set(payload, fragment * segmentBytes + RECORD_HEADER_BYTES);
  }
  return {
    number: record,
    channel,
    phase,
    segmentBytes,
    image,
    view,
    fragments,
    packets: new Uint32Array(fragments),
    acked: new Uint8Array(fragments),
    ackedCount: 0,
    unsent: 0,
  };
}

/** The ciphertext of a record that was laid out by {@link cutRecord}. */
export function joinRecord(record: OutRecord): Uint8Array {
  const { image, segmentBytes, fragments } = record;
  const sealed = new Uint8Array(image.length - fragments * RECORD_HEADER_BYTES);
  for (let fragment = 0; fragment < fragments; fragment += 1) {
    const startAt = fragment * segmentBytes;
    const payload = image.subarray(startAt + RECORD_HEADER_BYTES, startAt + segmentBytes);
    sealed.set(payload, fragment * (segmentBytes - RECORD_HEADER_BYTES));
  }
  return sealed;
}

/** Takes back the memory of a record's image, which nobody may read any more. */
export function dropImage({ image: { buffer } }: OutRecord): void {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== BUFFER_BYTES) return;
  if (free.length < KEPT_MAX) free.push(buffer);
}

function memoryFor(lengthBytes: number): Uint8Array {
  if (lengthBytes < KEPT_BYTES_MIN || lengthBytes > BUFFER_BYTES)
    return new Uint8Array(lengthBytes);
  return new Uint8Array(free.pop() ?? new ArrayBuffer(BUFFER_BYTES), 0, lengthBytes);
}
