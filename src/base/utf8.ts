/** Encodes text as UTF-8; a lone surrogate becomes U+FFFD, as the Encoding Standard has it. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    pushPoint(bytes, point >= 0xd8_00 && point <= 0xdf_ff ? 0xff_fd : point);
  }
  return Uint8Array.from(bytes);
}

/** Decodes UTF-8 strictly (RFC 3629): `undefined` for overlong, cut or surrogate sequences. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes[at] ?? 0);
    const point = length === 0 ? -1 : pointAt(bytes, at, length);
    if (point < 0) return undefined;
    text += String.fromCodePoint(point);
    at += length;
  }
  return text;
}

function pushPoint(bytes: number[], point: number): void {
  if (point < 0x80) bytes.push(point);
  else if (point < 0x8_00) bytes.push(0xc0 | (point >> 6), tail(point, 0));
  else if (point < 0x1_00_00) bytes.push(0xe0 | (point >> 12), tail(point, 6), tail(point, 0));
  else bytes.push(0xf0 | (point >> 18), tail(point, 12), tail(point, 6), tail(point, 0));
}

function tail(point: number, shift: number): number {
  return 0x80 | ((point >> shift) & 0x3f);
}

function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/** The smallest code point that needs a sequence of 1 to 4 bytes; anything below is overlong. */
const POINT_MIN = [0, 0, 0x80, 0x8_00, 0x1_00_00] as const;

function pointAt(bytes: Uint8Array, at: number, length: number): number {
  if (at + length > bytes.length) return -1;
  const first = bytes[at] ?? 0;
  if (length === 1) return first;
  let point = first & (0x7f >> length);
  for (let index = 1; index < length; index += 1) {
    const byte = bytes[at + index] ?? 0;
    if ((byte & 0xc0) !== 0x80) return -1;
    point = (point << 6) | (byte & 0x3f);
  }
  const surrogate = point >= 0xd8_00 && point <= 0xdf_ff;
  return point < (POINT_MIN[length] ?? 0) || point > 0x10_ff_ff || surrogate ? -1 : point;
}
