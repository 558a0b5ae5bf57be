import { MIB } from "../base/units.ts";
import { TAG_BYTES } from "../effects/crypto.ts";
import { RECORD_HEADER_BYTES, type RecordDatagram, writeRecordHeader } from "../wire/datagram.ts";
import { BufferPool } from "./buffer-pool.ts";
import { FRAGMENTS_MAX, RECORD_BYTES_MAX } from "./constants.ts";
import type { OutRecord } from "./sent-packets.ts";

/** Length of the image of the longest record. */
const IMAGE_BYTES_MAX: number = RECORD_BYTES_MAX + TAG_BYTES + FRAGMENTS_MAX * RECORD_HEADER_BYTES;

/** The memory of images. */
const IMAGES = new BufferPool({
  bufferBytes: IMAGE_BYTES_MAX,
  arrayBytesMin: IMAGE_BYTES_MAX / 4,
  keptBytesMax: 8 * MIB,
});

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
  const image = IMAGES.take(sealed.length + fragments * RECORD_HEADER_BYTES);
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
export function dropImage({ image }: OutRecord): void {
  IMAGES.giveBack(image);
}
