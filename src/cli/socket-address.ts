import type { Address } from "../effects/network.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { parseSocketAddress } from "../runtime/settings.ts";

/** Reads the address and port given to a flag. @throws OperatorError `usage-address`. */
export function socketAddress(given: { readonly flag: string; readonly text: string }): Address {
  const address = parseSocketAddress(given.text);
  if (address !== undefined) return address;
  const sentence = `${given.flag} ${given.text}: write it as 10.1.0.7:5301 or [fd00::7]:5301.`;
  throw new OperatorError("usage-address", sentence);
}
