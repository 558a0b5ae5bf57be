import { ok, type Result } from "../base/result.ts";
import type { Origin, OriginKind } from "../wire/messages.ts";
import type { CoordinatorOutbox, RefusalCode } from "./contract.ts";

/** Most origins that devices are told of (MS6). */
const TOLD_MAX = 16;

/** Most origins that are added: the server's own file storage may come last. */
export const ORIGINS_MAX: number = TOLD_MAX - 1;

/** Most characters of an origin's location. */
const LOCATION_LENGTH_MAX = 1_024;

/** Stands before the port at which the server itself has packages. */
const GATEWAY = "gateway:";

/** Why origins stay as they are. */
type Refused = { readonly code: RefusalCode; readonly reason: string };

/** Where packages can be had when no device has them (row B12). */
export class Origins {
  #origins: readonly Origin[];

  constructor(origins: readonly Origin[]) {
    this.#origins = origins;
  }

  /** In the order in which devices ask them: CDNs, then file storage, each as they were added. */
  list(): readonly Origin[] {
    const of = (kind: OriginKind) => this.#origins.filter((origin) => origin.kind === kind);
    return [...of("cdn"), ...of("storage")];
  }

  /**
   * What devices are told: the same, and at last the server itself, where it serves packages on this
   * port (PO7). It needs no address: each device knows its own way to the server.
   */
  told(gatewayPort: number | undefined): readonly Origin[] {
    const added = this.list().slice(0, ORIGINS_MAX);
    if (gatewayPort === undefined) return added;
    return [...added, { kind: "storage", location: `${GATEWAY}${gatewayPort}` }];
  }

  add(
    given: { readonly kind?: OriginKind; readonly location: string },
    outbox: CoordinatorOutbox,
  ): Result<readonly Origin[], Refused> {
    const judged = judgeOrigin(given);
    if (!judged.ok) return judged;
    const { location } = judged.value;
    if (this.#origins.some((origin) => origin.location === location)) {
      return refused("origin-duplicate", `The origin ${location} is there already.`);
    }
    if (this.#origins.length >= ORIGINS_MAX) {
      const reason = `There are ${ORIGINS_MAX} origins, and no more are possible: remove one first.`;
      return refused("too-many-origins", reason);
    }
    return ok(this.#replace([...this.#origins, judged.value], outbox));
  }

  remove(location: string, outbox: CoordinatorOutbox): Result<readonly Origin[], Refused> {
    const wanted = canonical(location);
    const kept = this.#origins.filter((origin) => origin.location !== wanted);
    if (kept.length === this.#origins.length) {
      const reason = `There is no origin ${location}: list them to see which there are.`;
      return refused("origin-unknown", reason);
    }
    return ok(this.#replace(kept, outbox));
  }

  #replace(origins: readonly Origin[], outbox: CoordinatorOutbox): readonly Origin[] {
    this.#origins = origins;
    outbox.persist({ kind: "origins-replace", origins });
    return this.list();
  }
}

/** Reads an origin: an HTTP(S) address, or a directory by its absolute path. */
export function judgeOrigin(given: {
  readonly kind?: OriginKind;
  readonly location: string;
}): Result<Origin, Refused> {
  const location = canonical(given.location);
  const malformed = (problem: string) =>
    refused("origin-malformed", `The origin "${given.location}" ${problem}.`);
  if (location.length > LOCATION_LENGTH_MAX) {
    return malformed(`has more than ${LOCATION_LENGTH_MAX} characters: shorten it`);
  }
  if (/[\p{Cc}\p{Cf}]/u.test(location)) return malformed("has control characters: write it anew");
  if (/^[a-z][a-z0-9+.-]+:/i.test(location)) {
    if (!ADDRESS.test(location)) return malformed(ADDRESS_WANTED);
    return ok({ kind: given.kind ?? "cdn", location });
  }
  if (!DIRECTORY.test(location)) {
    return malformed("is neither an HTTP(S) address nor the absolute path of a directory");
  }
  if (given.kind === "cdn") return malformed("is a directory, which can only be file storage");
  return ok({ kind: "storage", location });
}

/** Without user, query and fragment: the name of a package is appended as the last part. */
const ADDRESS =
  /^https?:\/\/(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:\/[^?#\s\\]*)?$/i;

const ADDRESS_WANTED =
  "is no address of packages: write it as https://cdn.example/packages, without user, ? and #";

/** `/srv/packages`, `C:\packages` or `\\server\share`. */
const DIRECTORY = /^(?:\/|[a-z]:[\\/]|\\\\[^\\]+\\[^\\]+)/i;

/** The same place has one text: no spaces around it and no slash at its end. */
function canonical(location: string): string {
  const trimmed = location.trim();
  const root = /^(?:\/+|[a-z]:[\\/])$/i.test(trimmed);
  return root ? trimmed : trimmed.replace(/[\\/]+$/, "");
}

function refused(
  code: RefusalCode,
  reason: string,
): { readonly ok: false; readonly error: Refused } {
  return { ok: false, error: { code, reason } };
}
