const DIGITS = "0123456789abcdef";

/** The two digits of each byte, as codes, one behind the other. */
const CODES: Uint16Array = Uint16Array.from({ length: 512 }, (_, index) =>
  DIGITS.charCodeAt(index % 2 === 0 ? index >> 5 : (index >> 1) & 15),
);

/** So many bytes are written at once: what a call takes as arguments is limited. */
const CHUNK_BYTES = 1_024;

/**
 * Writes bytes as lower-case hexadecimal digits.
 *
 * The text is made in one go: what is put together digit by digit takes five times the memory for as
 * long as it is kept, and ids are kept by the hundred thousand.
 */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const chunk = bytes.subarray(at, at + CHUNK_BYTES);
    const codes: number[] = new Array(2 * chunk.length);
    for (const [index, byte] of chunk.entries()) {
      codes[2 * index] = CODES[2 * byte] ?? 0;
      codes[2 * index + 1] = CODES[2 * byte + 1] ?? 0;
    }
    text += String.fromCharCode(...codes);
  }
  return text;
}

/** Reads hexadecimal digits of either case; `undefined` where the text is anything else. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let index = 0; index < bytes.length; index += 1) {
    const high = digitValue(text.charCodeAt(2 * index));
    const low = digitValue(text.charCodeAt(2 * index + 1));
    if (high < 0 || low < 0) return undefined;
    bytes[index] = 16 * high + low;
  }
  return bytes;
}

/** What a digit stands for; -1 for what is none. */
function digitValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
