import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import type { OriginInput, OriginOutbox, OriginRange } from "../../effects/origin.ts";
import { fetchFromFolder } from "./folder-origin.ts";
import { gatewayAddress, type ServerPlace, trustInServer } from "./gateway-trust.ts";
import { HttpOrigin } from "./http-origin.ts";
import { OriginFailure } from "./origin-failure.ts";

/** What origins are opened with. */
export type OriginsOptions = {
  /** Told what became of each ticket, once. Must not throw. */
  readonly onInput: (input: OriginInput) => void;
  /** Where the server is, which may have packages itself. */
  readonly server: ServerPlace;
  /** Instead of how long an origin is usually waited for. */
  readonly waits?: Partial<OriginWaits>;
};

/** How long an origin is waited for, in milliseconds. */
export type OriginWaits = {
  readonly connectMs: number;
  /** Without a byte from it. */
  readonly silenceMs: number;
};

/** How long an origin is usually waited for. */
export const ORIGIN_WAITS: OriginWaits = { connectMs: 10_000, silenceMs: 15_000 };

/**
 * Fetches ranges of packages from web servers and folders. What comes is of the length that was
 * asked for, and otherwise not to be trusted: whoever asked hashes it.
 */
export class Origins implements OriginOutbox {
  readonly #onInput: (input: OriginInput) => void;
  readonly #http: HttpOrigin;
  readonly #server: ServerPlace;
  readonly #gateway: HttpOrigin;
  #closed = false;

  constructor(options: OriginsOptions) {
    this.#onInput = options.onInput;
    const waits = { ...ORIGIN_WAITS, ...options.waits };
    this.#http = new HttpOrigin(waits);
    this.#server = options.server;
    this.#gateway = new HttpOrigin(waits, trustInServer(options.server));
  }

  fetchRange(ticket: number, range: OriginRange): void {
    void this.#answer(ticket, range);
  }

  /** Ends everything that is under way; nothing is answered afterwards. */
  close(): void {
    this.#closed = true;
    this.#http.close();
    this.#gateway.close();
  }

  async #answer(ticket: number, range: OriginRange): Promise<void> {
    let input: OriginInput;
    try {
      const bytes = await this.#fetch(range);
      input = { kind: "range-fetched", ticket, bytes };
    } catch (error) {
      if (!(error instanceof OriginFailure)) throw error;
      input = { kind: "range-failed", ticket, fault: error.fault, problem: error.message };
    }
    if (!this.#closed) this.#onInput(input);
  }

  async #fetch(range: OriginRange): Promise<Uint8Array> {
    const { location } = range;
    if (/^https?:/i.test(location)) return await this.#http.fetch(range);
    const gateway = gatewayAddress(this.#server, location);
    if (gateway !== undefined) return await this.#gateway.fetch({ ...range, location: gateway });
    const folder = folderOf(location);
    if (folder !== undefined) return await fetchFromFolder(folder, range);
    throw new OriginFailure(
      "unreachable",
      `The origin ${location} is neither an http(s) address nor an absolute path: correct it.`,
    );
  }
}

function folderOf(location: string): string | undefined {
  if (isAbsolute(location)) return location;
  try {
    return location.startsWith("file:") ? fileURLToPath(location) : undefined;
  } catch {
    return undefined;
  }
}
