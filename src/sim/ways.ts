import { invariant } from "../base/invariant.ts";
import type { Prng } from "../base/prng.ts";
import { Pipe } from "./flow/fair-share.ts";
import type { FlowPath } from "./flow/flow-network.ts";
import { LAN, Link, type LinkOptions } from "./link.ts";

/** An office as far as ways go. */
type Place = {
  readonly name: string;
  readonly parent: string | undefined;
  /** Its line to its parent, each way. */
  readonly line?: LinkOptions | undefined;
};

/** A line between an office and its parent in one direction: for datagrams, and for flows. */
type Direction = { readonly link: Link; readonly pipe: Pipe };

/** A line between an office and its parent: `down` is towards the office. */
export type Line = { readonly up: Direction; readonly down: Direction };

/** Over what anything goes from one host to another: LANs, and lines between offices in a tree. */
export class Ways {
  readonly #parents: ReadonlyMap<string, string | undefined>;
  readonly #lines = new Map<string, Line>();
  readonly #delays = new Map<string, number>();
  readonly #officeByHost: Map<string, string>;
  readonly #lan: Link;
  readonly #lanRate: number;
  /** What a device's own port carries, made when something first flows through it. */
  readonly #ports = new Map<string, { readonly out: Pipe; readonly in: Pipe }>();
  /** Hosts whose datagrams reach their own office alone. */
  readonly confined: Set<string> = new Set();

  constructor(
    places: readonly Place[],
    options: {
      readonly officeByHost: ReadonlyMap<string, string>;
      /** Bytes a second that a device sends, and as many that it receives, in a world of flows. */
      readonly lanRate: number;
      readonly prng: Prng;
    },
  ) {
    const { officeByHost, lanRate, prng } = options;
    this.#officeByHost = new Map(officeByHost);
    this.#lanRate = lanRate;
    this.#parents = new Map(places.map(({ name, parent }) => [name, parent]));
    this.#lan = new Link({ ...LAN, rate: Number.POSITIVE_INFINITY }, prng);
    for (const { name, line } of places) {
      if (line === undefined) continue;
      this.#delays.set(name, line.delayUs);
      const direction = () => ({ link: new Link(line, prng), pipe: new Pipe(line.rate) });
      this.#lines.set(name, { up: direction(), down: direction() });
    }
  }

  /** The line of an office. */
  line(office: string): Line {
    const line = this.#lines.get(office);
    invariant(line !== undefined, "the office has a line");
    return line;
  }

  /** The office that a host is in. */
  officeOf(host: string): string {
    return this.#officeByHost.get(host) ?? "";
  }

  /** From now on a host, of whomever, is in this office. */
  locate(host: string, office: string): void {
    this.#officeByHost.set(host, office);
  }

  /** Whether an office has a line of its own. */
  hasLine(office: string): boolean {
    return this.#lines.has(office);
  }

  parentOf(office: string): string | undefined {
    return this.#parents.get(office);
  }

  /** What datagrams go over, in this order; nothing where they do not get through. */
  links(from: string, to: string): readonly Link[] {
    const lines = this.#linesBetween(from, to);
    if (lines === undefined) return [];
    return lines.length === 0 ? [this.#lan] : lines.map(({ direction }) => direction.link);
  }

  /** What flows share, and how long they take. */
  path(from: string, to: string): FlowPath {
    const found = this.#linesBetween(from, to);
    const lines = found ?? [];
    const isOpen = found !== undefined && lines.every(({ direction }) => !direction.link.cut);
    const pipes = lines.map(({ direction }) => direction.pipe);
    if (Number.isFinite(this.#lanRate)) {
      pipes.unshift(this.#port(from).out);
      pipes.push(this.#port(to).in);
    }
    const delayUs = lines.reduce((sum, line) => sum + line.delayUs, LAN.delayUs);
    return { delayUs, pipes, open: isOpen };
  }

  /** Up from the one office to where the paths to the Central Office meet, and down to the other. */
  #linesBetween(
    from: string,
    to: string,
  ): readonly { readonly direction: Direction; readonly delayUs: number }[] | undefined {
    const fromOffice = this.officeOf(from);
    const toOffice = this.officeOf(to);
    if (fromOffice === toOffice) return [];
    if (this.confined.has(from) || this.confined.has(to)) return undefined;
    const up = this.pathUp(fromOffice);
    const down = this.pathUp(toOffice);
    const climbed = up.filter((office) => !down.includes(office));
    const descended = down.filter((office) => !up.includes(office)).reverse();
    return [
      ...climbed.map((office) => ({ office, way: "up" as const })),
      ...descended.map((office) => ({ office, way: "down" as const })),
    ].flatMap(({ office, way }) => {
      const direction = this.#lines.get(office)?.[way];
      const delayUs = this.#delays.get(office) ?? 0;
      return direction === undefined ? [] : [{ direction, delayUs }];
    });
  }

  /** An office and those above it. */
  pathUp(office: string): readonly string[] {
    const path = [office];
    for (let at = this.parentOf(office); at !== undefined; at = this.parentOf(at)) path.push(at);
    return path;
  }

  #port(host: string): { readonly out: Pipe; readonly in: Pipe } {
    const known = this.#ports.get(host);
    if (known !== undefined) return known;
    const port = { out: new Pipe(this.#lanRate), in: new Pipe(this.#lanRate) };
    this.#ports.set(host, port);
    return port;
  }
}
