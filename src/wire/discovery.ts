import { ByteReader } from "../base/byte-reader.ts";
import { ByteWriter } from "../base/byte-writer.ts";
import { DEVICE_ID_BYTES, type DeviceId, deviceIdBytes, deviceIdOf } from "../base/ids.ts";
import { invariant } from "../base/invariant.ts";
import { err, ok, type Result } from "../base/result.ts";
import { DATAGRAM_BYTES_INITIAL, type DatagramError } from "./datagram.ts";

/** The channel in the first byte of a discovery datagram. */
export const DISCOVERY_CHANNEL = 10;

/** The version of discovery; datagrams of another one are nobody's. */
export const DISCOVERY_VERSION = 1;

/** Most contents that a question asks for. */
export const QUESTION_TAGS_MAX = 32;

/** Length of the tag of a content in a question, in bytes. */
export const QUESTION_TAG_BYTES = 16;

/** Length of the nonce of a question or an answer, in bytes. */
export const DISCOVERY_NONCE_BYTES = 16;

/** How much longer a sealed body is than the body, in bytes. */
const SEAL_BYTES = 16;

/** Channel and destination (DG1), type, version. */
const HEADER_BYTES = 7;

const QUESTION_HEAD_BYTES = HEADER_BYTES + DISCOVERY_NONCE_BYTES;
const ANSWER_HEAD_BYTES = HEADER_BYTES + 2 * DISCOVERY_NONCE_BYTES;

const QUESTION_BODY_BYTES = DEVICE_ID_BYTES + 5 + QUESTION_TAGS_MAX * QUESTION_TAG_BYTES;
const ANSWER_BODY_BYTES = DEVICE_ID_BYTES + 8;

/** Length of every question, in bytes: how much a device is to have is nobody's business. */
export const QUESTION_BYTES: number = QUESTION_HEAD_BYTES + QUESTION_BODY_BYTES + SEAL_BYTES;

/** Length of every answer, in bytes. */
export const ANSWER_BYTES: number = ANSWER_HEAD_BYTES + ANSWER_BODY_BYTES + SEAL_BYTES;

// Whoever asks under somebody else's address must not multiply his own bytes.
invariant(ANSWER_BYTES <= QUESTION_BYTES, "an answer is no longer than its question");
invariant(QUESTION_BYTES <= DATAGRAM_BYTES_INITIAL, "a question fits every path");

/** The types behind those of greetings (DG4 to DG6). */
const TYPE = { question: 4, answer: 5 } as const;

/** Where the sender of a question or an answer listens, and who it is. */
export type Speaker = {
  readonly deviceId: DeviceId;
  readonly portOffset: number;
  /** Its one port in the single-port mode. */
  readonly singlePort: number | undefined;
};

/** What the body of a question says. */
export type QuestionBody = Speaker & {
  /** Contents that the asker looks for, at most `QUESTION_TAGS_MAX`. */
  readonly tags: readonly Uint8Array[];
};

/** What the body of an answer says. */
export type AnswerBody = Speaker & {
  /** The bits of the question's tags whose contents the answerer has or is to have. */
  readonly has: number;
};

/** A discovery datagram whose body is still sealed. Byte strings are views of the datagram. */
export type DiscoveryDatagram =
  | { readonly kind: "question"; readonly nonce: Uint8Array; readonly sealed: Sealed }
  | {
      readonly kind: "answer";
      /** The nonce of the question that is answered. */
      readonly nonce: Uint8Array;
      readonly answerNonce: Uint8Array;
      readonly sealed: Sealed;
    };

/** A sealed body, and what stands before it in clear, which the seal vouches for too. */
export type Sealed = { readonly head: Uint8Array; readonly body: Uint8Array };

/** What stands before the sealed body of a question. */
export function questionHead(nonce: Uint8Array): Uint8Array {
  const writer = header(TYPE.question);
  writer.bytes(nonce);
  return writer.written();
}

/** What stands before the sealed body of an answer. */
export function answerHead(nonce: Uint8Array, answerNonce: Uint8Array): Uint8Array {
  const writer = header(TYPE.answer);
  writer.bytes(nonce);
  writer.bytes(answerNonce);
  return writer.written();
}

/** Writes the body of a question; tags beyond the first `QUESTION_TAGS_MAX` are left out. */
export function encodeQuestionBody(body: QuestionBody): Uint8Array {
  const tags = body.tags.slice(0, QUESTION_TAGS_MAX);
  const writer = speaker(body);
  writer.u8(tags.length);
  for (const tag of tags) writer.bytes(tag);
  const padded = new Uint8Array(QUESTION_BODY_BYTES);
  padded.set(writer.written());
  return padded;
}

/** Writes the body of an answer. */
export function encodeAnswerBody(body: AnswerBody): Uint8Array {
  const writer = speaker(body);
  writer.u32(body.has);
  return writer.written();
}

/** Reads what of a discovery datagram can be read without the office's key. */
export function decodeDiscovery(bytes: Uint8Array): Result<DiscoveryDatagram, DatagramError> {
  const reader = new ByteReader(bytes);
  const first = reader.u8();
  reader.u32();
  const type = reader.u8();
  const version = reader.u8();
  if (reader.failed) return err("truncated");
  if (first >> 6 !== 0 || (first & 15) !== DISCOVERY_CHANNEL) return err("unknown-kind");
  if (version !== DISCOVERY_VERSION) return err("unknown-kind");
  const nonce = reader.bytes(DISCOVERY_NONCE_BYTES);
  if (type === TYPE.question) {
    const sealed = sealedBody(bytes, QUESTION_HEAD_BYTES, QUESTION_BYTES);
    return sealed === undefined ? err("truncated") : ok({ kind: "question", nonce, sealed });
  }
  if (type !== TYPE.answer) return err("unknown-kind");
  const answerNonce = reader.bytes(DISCOVERY_NONCE_BYTES);
  const sealed = sealedBody(bytes, ANSWER_HEAD_BYTES, ANSWER_BYTES);
  return sealed === undefined
    ? err("truncated")
    : ok({ kind: "answer", nonce, answerNonce, sealed });
}

/** Reads the body of a question, once it is open; `undefined` where it is none. */
export function decodeQuestionBody(bytes: Uint8Array): QuestionBody | undefined {
  const reader = new ByteReader(bytes);
  const from = readSpeaker(reader);
  const count = reader.u8();
  if (from === undefined || count > QUESTION_TAGS_MAX) return undefined;
  const tags = Array.from({ length: count }, () => reader.bytes(QUESTION_TAG_BYTES));
  return reader.failed ? undefined : { ...from, tags };
}

/** Reads the body of an answer, once it is open; `undefined` where it is none. */
export function decodeAnswerBody(bytes: Uint8Array): AnswerBody | undefined {
  const reader = new ByteReader(bytes);
  const from = readSpeaker(reader);
  const has = reader.u32();
  return from === undefined || reader.failed ? undefined : { ...from, has };
}

function header(type: number): ByteWriter {
  const writer = new ByteWriter(ANSWER_HEAD_BYTES);
  writer.u8(DISCOVERY_CHANNEL);
  // There is no association that it could belong to.
  writer.u32(0);
  writer.u8(type);
  writer.u8(DISCOVERY_VERSION);
  return writer;
}

function speaker({ deviceId, portOffset, singlePort = 0 }: Speaker): ByteWriter {
  const writer = new ByteWriter(QUESTION_BODY_BYTES);
  writer.bytes(deviceIdBytes(deviceId));
  writer.u16(portOffset);
  writer.u16(singlePort);
  return writer;
}

function readSpeaker(reader: ByteReader): Speaker | undefined {
  const deviceId = deviceIdOf(reader.bytes(DEVICE_ID_BYTES));
  const portOffset = reader.u16();
  const singlePort = reader.u16();
  if (deviceId === undefined || reader.failed) return undefined;
  return { deviceId, portOffset, singlePort: singlePort === 0 ? undefined : singlePort };
}

/** The two parts of a datagram of a known length; bytes behind it are ignored (DG3). */
function sealedBody(bytes: Uint8Array, headBytes: number, allBytes: number): Sealed | undefined {
  if (bytes.length < allBytes) return undefined;
  return { head: bytes.subarray(0, headBytes), body: bytes.subarray(headBytes, allBytes) };
}
