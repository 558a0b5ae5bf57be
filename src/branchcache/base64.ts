const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const VALUES: ReadonlyMap<string, number> = new Map([...DIGITS].map((digit, at) => [digit, at]));

/** Writes bytes as Base64 with padding (RFC 4648, section 4). */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(at, at + 3);
    const group = (a << 16) | (b << 8) | c;
    const digits = [group >>> 18, group >>> 12, group >>> 6, group].map(
      (value) => DIGITS[value & 63] ?? "",
    );
    const kept = Math.min(3, bytes.length - at) + 1;
    text += digits.slice(0, kept).join("") + "=".repeat(4 - kept);
  }
  return text;
}

/** Reads Base64 with padding; white space between the digits is ignored. */
export function fromBase64(text: string): Uint8Array | undefined {
  const digits = text.replace(/\s+/g, "");
  if (digits.length % 4 !== 0) return undefined;
  const kept = digits.replace(/={1,2}$/, "");
  const bytes = new Uint8Array(Math.floor((kept.length * 3) / 4));
  let group = 0;
  let at = 0;
  for (const [index, digit] of [...kept].entries()) {
    const value = VALUES.get(digit);
    if (value === undefined) return undefined;
    group = (group << 6) | value;
    if (index % 4 > 0) {
      bytes[at] = group >>> (6 - 2 * (index % 4));
      at += 1;
    }
    group &= 0xff_ff;
  }
  return bytes;
}
