import { PRODUCT_VERSION } from "../base/constants.ts";
import type { ContentId } from "../base/ids.ts";
import { type Due, earlier, NEVER } from "../base/machine.ts";
import { KIB, MS, SECOND } from "../base/units.ts";
import type { AssociationEvent } from "../transport/association-types.ts";
import type { Message, Progress } from "../wire/messages.ts";
import type { ContentEntry } from "./content-entry.ts";
import { type Act, type Core, report, say, serverPolicy } from "./core.ts";
import { saidPorts } from "./ports.ts";

/** How long to wait after a connection to the server failed, at first and at most. */
const BACKOFF_US = { min: 500 * MS, max: 15 * SECOND } as const;

/** How often the server is told of progress, unless it wants it less often. */
const REPORT_MS = 500;

/** How much of a manifest one message brings to the server. */
const PART_BYTES = 32 * KIB;

type State =
  | { readonly kind: "waiting"; readonly untilUs: number }
  | { readonly kind: "connecting"; readonly association: number }
  | { readonly kind: "up"; readonly association: number };

/**
 * The device's line to the server: kept up, with growing pauses where it cannot be.
 *
 * Nothing here is needed for a transfer to go on; it brings word of what to have and takes word of
 * what is there.
 */
export class ServerLink {
  readonly #core: Core;
  readonly #publications = new Map<ContentId, Uint8Array>();
  #state: State = { kind: "waiting", untilUs: 0 };
  #backoffUs: number = BACKOFF_US.min;
  #progressAtUs = Number.POSITIVE_INFINITY;
  #reportUs: number = REPORT_MS * MS;
  #lastCode = "";

  constructor(core: Core) {
    this.#core = core;
  }

  get connected(): boolean {
    return this.#state.kind === "up";
  }

  /** Whether an association is the one to the server. */
  owns(association: number): boolean {
    return this.#state.kind !== "waiting" && this.#state.association === association;
  }

  due(): Due {
    const retry: Due =
      this.#state.kind === "waiting"
        ? { atUs: this.#state.untilUs, reason: "server connection" }
        : NEVER;
    return earlier(retry, { atUs: this.#progressAtUs, reason: "progress" });
  }

  onTimer(act: Act): void {
    if (this.#state.kind === "waiting" && this.#state.untilUs <= act.nowUs) this.#connect(act);
    if (this.#progressAtUs <= act.nowUs) this.#tellProgress(act);
  }

  onUp(act: Act, association: number): void {
    this.#state = { kind: "up", association };
    this.#backoffUs = BACKOFF_US.min;
    this.#lastCode = "";
    this.#register(act, association);
    for (const entry of this.#core.contents.values()) entry.unreported = true;
    this.#tellProgress(act);
    this.#sendNextManifest(act);
    report(act, { kind: "server-connected" });
  }

  onDown(act: Act, event: Extract<AssociationEvent, { kind: "association-down" }>): void {
    this.#state = { kind: "waiting", untilUs: act.nowUs + this.#backoffUs };
    const jitterUs = this.#core.prng.below(Math.ceil(this.#backoffUs / 2));
    this.#backoffUs = Math.min(BACKOFF_US.max, 2 * this.#backoffUs + jitterUs);
    // Once is enough for the log: until it is back, or fails for another reason.
    if (event.code === this.#lastCode) return;
    this.#lastCode = event.code;
    report(act, { kind: "server-lost", code: event.code, reason: event.reason });
  }

  /** The server wants to hear of progress at most so often (PO6). */
  paceReports(reportMs: number = REPORT_MS): void {
    this.#reportUs = reportMs * MS;
  }

  /** Something about a content has changed that the server is to hear of. */
  noteProgress(act: Act, entry: ContentEntry, now = false): void {
    entry.unreported = true;
    const atUs = act.nowUs + (now ? 0 : this.#reportUs);
    this.#progressAtUs = Math.min(this.#progressAtUs, atUs);
  }

  /** The same of all contents. */
  noteAll(act: Act): void {
    for (const entry of this.#core.contents.values()) this.noteProgress(act, entry);
  }

  /** Brings a manifest to the server, now or as soon as it can be reached. */
  publish(act: Act, contentId: ContentId, manifest: Uint8Array): void {
    const isFirst = this.#publications.size === 0;
    this.#publications.set(contentId, manifest);
    // The server takes one at a time: a second one would take the place of the first.
    if (isFirst) this.#sendNextManifest(act);
  }

  /** What the device has said of itself has changed. */
  registerAnew(act: Act): void {
    if (this.#state.kind === "up") this.#register(act, this.#state.association);
  }

  /** The device has moved: an association from its old address may be of no use any more. */
  reconnect(act: Act): void {
    if (this.#state.kind === "waiting") {
      this.#state = { kind: "waiting", untilUs: act.nowUs };
      return;
    }
    const { association } = this.#state;
    // It does not own the association any more: that it ends is nothing to report.
    this.#state = { kind: "waiting", untilUs: act.nowUs };
    const end = { code: "done", reason: "the device has other addresses" } as const;
    this.#core.endpoint.close(act.nowUs, association, end, act.transport);
  }

  /** Says something to the server; `false` where it cannot be reached now. */
  say(act: Act, message: Message): boolean {
    if (this.#state.kind !== "up") return false;
    return say(this.#core, act, this.#state.association, message);
  }

  /** Asks for the next certificate; nothing happens while the server is away. */
  renew(act: Act, request: Uint8Array): void {
    if (this.#state.kind !== "up") return;
    say(this.#core, act, this.#state.association, { kind: "renew", request });
  }

  /** Asks for an identity of its own, in place of one that another machine has too. */
  enrolAnew(act: Act, request: Uint8Array): void {
    const { hostName, machineId } = this.#core.options;
    this.say(act, { kind: "enrol-anew", request, hostName, machineId });
  }

  /** Takes in what the server says of the device's own identity and publications. */
  onMessage(act: Act, message: Message): void {
    switch (message.kind) {
      case "published":
        this.#onPublished(act, message.contentId);
        break;
      case "renewed":
        report(act, { kind: "certificate-issued", certificate: message.certificate });
        break;
      case "refused":
        if (message.code === "cloned") report(act, { kind: "identity-cloned" });
        else this.#onRefused(act, message.code, message.reason);
        break;
      case "enrolled": {
        const { deviceId, certificate } = message;
        report(act, { kind: "identity-issued", deviceId, certificate });
        break;
      }
      default:
        break;
    }
  }

  #onPublished(act: Act, contentId: ContentId): void {
    if (!this.#publications.delete(contentId)) return;
    report(act, { kind: "content-published", contentId });
    this.#sendNextManifest(act);
  }

  /** The server refused the last thing it was asked for: only publications are refused. */
  #onRefused(act: Act, code: string, reason: string): void {
    const [contentId] = this.#publications.keys();
    if (contentId === undefined) return;
    this.#publications.delete(contentId);
    report(act, { kind: "publication-refused", contentId, code, reason });
    this.#sendNextManifest(act);
  }

  #register(act: Act, association: number): void {
    const { hosts, facts, options } = this.#core;
    const { hostName, portOffset, bootId, machineId, attributes, listening } = options;
    say(this.#core, act, association, {
      kind: "register",
      productVersion: PRODUCT_VERSION,
      hostName,
      hosts,
      portOffset,
      facts,
      bootId,
      machineId,
      witnesses: this.#core.witnesses(),
      ...(attributes === undefined ? {} : { attributes }),
      ...saidPorts(listening?.map),
    });
  }

  #connect(act: Act): void {
    const { host, ports, organisation } = this.#core.options.server;
    const target = { host, ports, policy: serverPolicy(organisation) };
    const association = this.#core.endpoint.connect(act.nowUs, target, act.transport);
    this.#state = { kind: "connecting", association };
  }

  /** Brings the server the publication that has waited longest. */
  #sendNextManifest(act: Act): void {
    const [next] = this.#publications;
    if (next === undefined || this.#state.kind !== "up") return;
    const [contentId, manifest] = next;
    const { association } = this.#state;
    for (let at = 0; at < manifest.length; at += PART_BYTES) {
      say(this.#core, act, association, {
        kind: "publish-part",
        contentId,
        offsetBytes: at,
        totalBytes: manifest.length,
        data: manifest.subarray(at, at + PART_BYTES),
      });
    }
  }

  #tellProgress(act: Act): void {
    this.#progressAtUs = Number.POSITIVE_INFINITY;
    if (this.#state.kind !== "up") return;
    for (const entry of this.#core.contents.values()) {
      if (!entry.unreported) continue;
      entry.unreported = false;
      say(this.#core, act, this.#state.association, this.#progress(entry));
    }
  }

  #progress(entry: ContentEntry): Progress {
    return {
      kind: "progress",
      contentId: entry.contentId,
      state: entry.state,
      pieces: entry.known?.manifest.pieces.length ?? 0,
      piecesHeld: entry.known?.held.count ?? 0,
      sizeBytes: entry.known?.manifest.sizeBytes ?? 0,
      heldBytes: entry.heldBytes,
      ...entry.tally,
      farInBytes: [...entry.tally.farInBytes].map(([office, bytes]) => ({ office, bytes })),
      rvp: this.#core.holdsOffice,
      problem: entry.problem.slice(0, 1_000),
      lineBusyMs: entry.state === "complete" ? 0 : Math.floor(this.#core.lineBusy.forUs / MS),
    };
  }
}
