import type { ContentId } from "../base/ids.ts";
import { type Due, NEVER } from "../base/machine.ts";
import { KIB, MIB, SECOND } from "../base/units.ts";
import type { CoordinatorOutbox } from "./contract.ts";

/** How much of a manifest goes into one message. */
export const MANIFEST_PART_BYTES: number = 32 * KIB;

/** Most manifests that one device may wait for. */
export const MANIFESTS_WANTED_MAX = 16;

/** How fast one device is sent manifests at most: what it does not take in waits in memory. */
const MANIFEST_BYTES_PER_SECOND: number = 4 * MIB;

/** What a device waits for, the first of which may be under way from the database. */
type Queue = { readonly wanted: ContentId[]; reading: boolean; readyAtUs: number };

/** Sends manifests to devices that no other device can give them to: one after the other. */
export class ManifestRequests {
  readonly #queues = new Map<number, Queue>();

  /** Takes in a request of a device that is entitled to the content. */
  ask(association: number, contentId: ContentId, nowUs: number, outbox: CoordinatorOutbox): void {
    const queue = this.#queues.get(association) ?? {
      wanted: [],
      reading: false,
      readyAtUs: nowUs,
    };
    this.#queues.set(association, queue);
    if (queue.wanted.includes(contentId)) return;
    if (queue.wanted.length >= MANIFESTS_WANTED_MAX) {
      const reason = `The device waits for ${MANIFESTS_WANTED_MAX} manifests already: ask later.`;
      outbox.send(association, { kind: "refused", code: "manifest-busy", reason });
      return;
    }
    queue.wanted.push(contentId);
  }

  /** Sends what has been read from the database. */
  onRead(
    read: {
      readonly association: number;
      readonly contentId: ContentId;
      readonly manifest?: Uint8Array;
    },
    nowUs: number,
    outbox: CoordinatorOutbox,
  ): void {
    const { association, contentId, manifest = new Uint8Array(0) } = read;
    const queue = this.#queues.get(association);
    if (queue === undefined || !queue.reading || queue.wanted[0] !== contentId) return;
    queue.wanted.shift();
    queue.reading = false;
    const totalBytes = manifest.length;
    queue.readyAtUs = nowUs + Math.ceil((totalBytes * SECOND) / MANIFEST_BYTES_PER_SECOND);
    for (let offsetBytes = 0; offsetBytes < totalBytes; offsetBytes += MANIFEST_PART_BYTES) {
      const data = manifest.slice(offsetBytes, offsetBytes + MANIFEST_PART_BYTES);
      outbox.send(association, { kind: "manifest-part", contentId, offsetBytes, totalBytes, data });
    }
  }

  /** The device has gone. */
  forget(association: number): void {
    this.#queues.delete(association);
  }

  due(): Due {
    let atUs = Number.POSITIVE_INFINITY;
    for (const queue of this.#queues.values()) {
      if (isWaiting(queue)) atUs = Math.min(atUs, queue.readyAtUs);
    }
    return atUs === Number.POSITIVE_INFINITY ? NEVER : { atUs, reason: "manifest" };
  }

  /** Has read what may be sent now. */
  read(nowUs: number, outbox: CoordinatorOutbox): void {
    for (const [association, queue] of this.#queues) {
      const [next] = queue.wanted;
      if (next === undefined || !isWaiting(queue) || nowUs < queue.readyAtUs) continue;
      queue.reading = true;
      outbox.readManifest(association, next);
    }
  }
}

function isWaiting({ wanted, reading }: Queue): boolean {
  return wanted.length > 0 && !reading;
}
