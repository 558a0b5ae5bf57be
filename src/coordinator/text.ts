/**
 * Makes text from a device fit for tables and terminals: no control or formatting characters (a
 * terminal obeys some of them), and at most `lengthMax` UTF-16 units.
 */
export function plainText(text: string, lengthMax: number): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "?");
  return plain.length <= lengthMax ? plain : `${plain.slice(0, lengthMax - 1)}…`;
}
