import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { OperatorError } from "../operator-error.ts";

/** Where programs of ours may be sent by somebody else: see `webhooks.allow` and `storage.allow`. */
export class Destinations {
  readonly #words: ReadonlySet<string>;
  readonly #names: ReadonlySet<string>;
  readonly #networks: readonly ReturnType<typeof ipaddr.parseCIDR>[];

  readonly #setting: string;

  /**
   * @param allowed - `public`, `private`, networks and host names.
   * @param setting - Which setting says so, for the sentence that says what to do.
   */
  constructor(allowed: readonly string[], setting = "webhooks.allow") {
    this.#setting = setting;
    const isWord = (text: string) => text === "public" || text === "private";
    this.#words = new Set(allowed.filter(isWord));
    this.#networks = allowed
      .filter((text) => text.includes("/"))
      .map((text) => ipaddr.parseCIDR(text));
    const names = allowed.filter((text) => !isWord(text) && !text.includes("/"));
    this.#names = new Set(names.map(canonicalName));
  }

  /**
   * Finds out where a host is, and picks an address to which it is allowed to lead.
   *
   * The address is the one to connect to: asked again, the name could lead elsewhere.
   *
   * @throws OperatorError `destination-unknown` or `destination-forbidden`.
   */
  async resolve(host: string): Promise<{ readonly address: string; readonly family: 4 | 6 }> {
    const bare = host.replace(/^\[|\]$/g, "");
    const named = this.#names.has(canonicalName(bare));
    const found =
      isIP(bare) === 0 ? await addressesOf(bare) : [{ address: bare, family: isIP(bare) }];
    const good = found.find(({ address }) => this.#mayLeadTo(address, named));
    if (good !== undefined) return { address: good.address, family: good.family === 6 ? 6 : 4 };
    const [first] = found;
    const where =
      first === undefined || first.address === bare ? bare : `${bare} (${first.address})`;
    const sentence =
      `${where} is not where the server may go: add its network, such as ` +
      `${first?.address ?? bare}/${first?.family === 6 ? 128 : 32}, to the setting ${this.#setting}.`;
    throw new OperatorError("destination-forbidden", sentence);
  }

  #mayLeadTo(text: string, named: boolean): boolean {
    const given = ipaddr.parse(text.replace(/%.*$/, ""));
    // An IPv4 address in the form of IPv6 leads where the former leads.
    const isMapped =
      given.kind() === "ipv6" && "isIPv4MappedAddress" in given && given.isIPv4MappedAddress();
    const address = isMapped ? given.toIPv4Address() : given;
    const inNetwork = this.#networks.some(
      ([network, bits]) => network.kind() === address.kind() && address.match(network, bits),
    );
    if (inNetwork) return true;
    const range = address.range();
    if (range === "unicast") return named || this.#words.has("public");
    return PRIVATE.has(range) && (named || this.#words.has("private"));
  }
}

/** What an organisation has to itself. Everything else that is not public leads to special places. */
const PRIVATE: ReadonlySet<string> = new Set(["private", "uniqueLocal", "carrierGradeNat"]);

async function addressesOf(host: string): Promise<readonly LookupAddress[]> {
  try {
    return await lookup(host, { all: true });
  } catch (cause) {
    const sentence = `The name ${host} cannot be resolved here: check it, and the server's DNS.`;
    throw new OperatorError("destination-unknown", sentence, { cause });
  }
}

function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
