import { concat } from "../base/bytes.ts";
import type { ContentId, DeviceId } from "../base/ids.ts";
import { type Due, NEVER } from "../base/machine.ts";
import { MIB, SECOND } from "../base/units.ts";
import { MANIFEST_BYTES_MAX, type PublishPart } from "../wire/messages.ts";
import type { CoordinatorOutbox, ManifestOutcome } from "./contract.ts";
import type { Session } from "./roster.ts";
import type { ContentFacts, ContentFile, ContentRow } from "./state.ts";
import { plainText } from "./text.ts";

/** Most bytes of unfinished manifests of all devices together. */
export const UPLOADS_BYTES_MAX: number = 4 * MANIFEST_BYTES_MAX;

/** Most manifests that are under way at a time. */
export const UPLOADS_MAX = 64;

/** A publication of which nothing comes for this long is given up. */
export const UPLOAD_SILENCE_US_MAX: number = 60 * SECOND;

/** A manifest that a device is bringing, part by part. */
type Upload = {
  readonly contentId: ContentId;
  readonly deviceId: DeviceId;
  readonly totalBytes: number;
  readonly parts: Uint8Array[];
  haveBytes: number;
  heardAtUs: number;
  /** All parts together, once they are complete and handed over to be judged. */
  manifest?: Uint8Array;
};

/**
 * Takes in the manifests that devices publish: one at a time for each device, in order.
 *
 *   nothing --part at 0--> growing --last part--> judging --accepted--> known
 *                             \--out of order, silence--> nothing <--refused--/
 */
export class Publications {
  readonly #contents = new Map<ContentId, ContentRow>();
  readonly #uploads = new Map<number, Upload>();
  /** What was refused last of each association: the rest of its parts is passed over. */
  readonly #refused = new Map<number, ContentId>();
  #reservedBytes = 0;

  constructor(contents: readonly ContentRow[]) {
    for (const content of contents) this.#contents.set(content.contentId, content);
  }

  /** All published contents, in the order of their publication. */
  contents(): readonly ContentRow[] {
    return [...this.#contents.values()];
  }

  content(contentId: ContentId): ContentRow | undefined {
    return this.#contents.get(contentId);
  }

  /** The contents whose ids begin with these digits. */
  find(prefix: string): readonly ContentRow[] {
    const wanted = prefix.toLowerCase();
    return this.contents().filter(({ contentId }) => contentId.startsWith(wanted));
  }

  /** Takes in a part of a manifest. */
  onPart(session: Session, part: PublishPart, nowUs: number, outbox: CoordinatorOutbox): void {
    const { association } = session;
    if (this.#contents.has(part.contentId)) {
      if (part.offsetBytes === 0) this.#published(association, part.contentId, outbox);
      return;
    }
    const upload =
      part.offsetBytes === 0
        ? this.#begin(session, part, nowUs, outbox)
        : this.#uploads.get(association);
    if (upload === undefined || !fits(upload, part)) {
      const told = this.#refused.get(association) === part.contentId;
      if (!told) this.#refuse(association, part.contentId, OUT_OF_ORDER, outbox);
      return;
    }
    upload.parts.push(part.data);
    upload.haveBytes += part.data.length;
    upload.heardAtUs = nowUs;
    if (upload.haveBytes < upload.totalBytes) return;
    upload.manifest = concat(upload.parts.splice(0));
    outbox.judgeManifest(association, upload.contentId, upload.manifest);
  }

  /** Takes in the judgement of a manifest. */
  onJudged(
    judged: {
      readonly association: number;
      readonly contentId: ContentId;
      readonly outcome: ManifestOutcome;
    },
    wallMs: number,
    outbox: CoordinatorOutbox,
  ): void {
    const { association, contentId, outcome } = judged;
    const upload = this.#uploads.get(association);
    // The device may have gone, or begun another one, while its manifest was judged.
    if (upload?.contentId !== contentId || upload.manifest === undefined) return;
    if (outcome.kind === "refused") {
      this.#refuse(association, contentId, outcome, outbox);
      return;
    }
    const { manifest, deviceId: publishedBy } = upload;
    this.#end(association);
    const { facts, files } = outcome;
    const known = { ...facts, contentId };
    this.add({ facts: known, files, manifest, publishedAtMs: wallMs, publishedBy }, outbox);
    this.#published(association, contentId, outbox);
  }

  /** Takes in a content that has been judged; one that is known already stays as it is. */
  add(
    what: {
      readonly facts: ContentFacts;
      readonly files: readonly ContentFile[];
      readonly manifest: Uint8Array;
      readonly publishedAtMs: number;
      readonly publishedBy?: DeviceId;
    },
    outbox: CoordinatorOutbox,
  ): void {
    const { facts, files, manifest, ...published } = what;
    if (this.#contents.has(facts.contentId)) return;
    const { publishedAtMs, publishedBy } = published;
    const by = publishedBy === undefined ? {} : { publishedBy };
    const content = { ...plainFacts(facts), publishedAtMs, ...by };
    this.#contents.set(facts.contentId, content);
    outbox.persist({ kind: "content-add", content, files, manifest });
  }

  /** The device has gone: what it has not finished is forgotten. */
  forget(association: number): void {
    this.#end(association);
    this.#refused.delete(association);
  }

  /** Gives up the publications of which nothing comes any more. */
  expire(nowUs: number, outbox: CoordinatorOutbox): void {
    if (this.due().atUs > nowUs) return;
    for (const [association, upload] of this.#uploads) {
      const silent =
        upload.manifest === undefined && nowUs >= upload.heardAtUs + UPLOAD_SILENCE_US_MAX;
      if (silent) this.#refuse(association, upload.contentId, TOO_SLOW, outbox);
    }
  }

  due(): Due {
    let atUs = Number.POSITIVE_INFINITY;
    for (const upload of this.#uploads.values()) {
      if (upload.manifest === undefined)
        atUs = Math.min(atUs, upload.heardAtUs + UPLOAD_SILENCE_US_MAX);
    }
    return atUs === Number.POSITIVE_INFINITY ? NEVER : { atUs, reason: "publication" };
  }

  #begin(
    session: Session,
    part: PublishPart,
    nowUs: number,
    outbox: CoordinatorOutbox,
  ): Upload | undefined {
    this.#end(session.association);
    const full = this.#reservedBytes + part.totalBytes > UPLOADS_BYTES_MAX;
    if (full || this.#uploads.size >= UPLOADS_MAX) {
      this.#refuse(session.association, part.contentId, BUSY, outbox);
      return undefined;
    }
    this.#refused.delete(session.association);
    const upload: Upload = {
      contentId: part.contentId,
      deviceId: session.deviceId,
      totalBytes: part.totalBytes,
      parts: [],
      haveBytes: 0,
      heardAtUs: nowUs,
    };
    this.#uploads.set(session.association, upload);
    this.#reservedBytes += upload.totalBytes;
    return upload;
  }

  #published(association: number, contentId: ContentId, outbox: CoordinatorOutbox): void {
    outbox.send(association, { kind: "published", contentId });
  }

  #refuse(
    association: number,
    contentId: ContentId,
    { code, reason }: { readonly code: string; readonly reason: string },
    outbox: CoordinatorOutbox,
  ): void {
    this.#end(association);
    this.#refused.set(association, contentId);
    outbox.send(association, { kind: "refused", code, reason });
  }

  #end(association: number): void {
    const upload = this.#uploads.get(association);
    if (upload === undefined) return;
    this.#reservedBytes -= upload.totalBytes;
    this.#uploads.delete(association);
  }
}

/** Whether a part is the one that an upload waits for. */
function fits(upload: Upload, part: PublishPart): boolean {
  return (
    upload.manifest === undefined &&
    part.contentId === upload.contentId &&
    part.offsetBytes === upload.haveBytes &&
    part.totalBytes === upload.totalBytes &&
    upload.haveBytes + part.data.length <= upload.totalBytes
  );
}

const OUT_OF_ORDER = {
  code: "publication-out-of-order",
  reason: "The parts of the manifest did not come in order: publish the content again.",
} as const;

const TOO_SLOW = {
  code: "publication-too-slow",
  reason: `Nothing came for ${UPLOAD_SILENCE_US_MAX / SECOND} s: publish the content again.`,
} as const;

const BUSY = {
  code: "publication-busy",
  reason: `More than ${UPLOADS_BYTES_MAX / MIB} MiB of manifests are under way: publish it later.`,
} as const;

/** What a publisher wrote is shown in tables and terminals. */
function plainFacts<F extends { name: string; version: string; type: string }>(facts: F): F {
  return {
    ...facts,
    name: plainText(facts.name, 256),
    version: plainText(facts.version, 256),
    type: plainText(facts.type, 256),
  };
}
