import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { OperatorError } from "../runtime/operator-error.ts";
import type { TlsSettings } from "./settings.ts";

/** A certificate with its key, as Node takes them; `undefined` where none is set. */
export async function readTls(
  settings: TlsSettings,
): Promise<{ readonly cert: string; readonly key: string } | undefined> {
  const { certificate, key } = settings;
  if (certificate === undefined && key === undefined) return undefined;
  try {
    const files = {
      cert: await readFile(certificate ?? "", "utf8"),
      key: await readFile(key ?? "", "utf8"),
    };
    // Says now what would otherwise be said to each client.
    createSecureContext(files);
    return files;
  } catch (cause) {
    throw new OperatorError(
      "branchcache-tls",
      "tls.certificate and tls.key must both be files in PEM that belong together: " +
        `${cause instanceof Error ? cause.message : String(cause)}.`,
      { cause },
    );
  }
}
