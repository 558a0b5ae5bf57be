import type { By, Parts } from "./commands.ts";
import { type Answer, type Command, type CoordinatorOutbox, refused } from "./contract.ts";

/** Says where packages are kept from now on, or that they are kept nowhere. */
export function setFileStorage(
  { fileStorage, policies, audit }: Parts,
  { storage }: Extract<Command, { kind: "set-file-storage" }>,
  { who, wallMs }: By,
  outbox: CoordinatorOutbox,
): Answer {
  const before = fileStorage.row;
  if (before === undefined && storage === undefined) {
    const reason = "No file storage is configured: there is nothing to clear.";
    return refused("storage-not-configured", reason);
  }
  const after = storage === undefined ? undefined : { ...storage, configuredAtMs: wallMs };
  fileStorage.set(after, outbox);
  const action = after === undefined ? "clear-file-storage" : "set-file-storage";
  const subject = after?.location ?? before?.location ?? "";
  audit.write({ atMs: wallMs, who, action, subject, before, after }, outbox);
  policies.generalChanged();
  return { kind: "file-storage-changed", ...(after === undefined ? {} : { storage: after }) };
}

/** Takes in a content whose package lies in the file storage; done again, nothing changes. */
export function publishContent(
  { publications, audit }: Parts,
  command: Extract<Command, { kind: "publish-content" }>,
  { who, wallMs }: By,
  outbox: CoordinatorOutbox,
): Answer {
  const { facts } = command;
  publications.add({ ...command, publishedAtMs: wallMs }, outbox);
  const { contentId: subject, name, version, sizeBytes } = facts;
  const after = { name, version, sizeBytes };
  audit.write({ atMs: wallMs, who, action: "upload-package", subject, after }, outbox);
  return { kind: "content-published" };
}
