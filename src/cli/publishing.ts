import { rm } from "node:fs/promises";
import { AGENT_ROUTES } from "../api/agent-routes.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { loadPublisherKey } from "../runtime/publisher-key.ts";
import { writeBlob } from "./packaging/write-blob.ts";
import { openControl } from "./parts.ts";

/** What is to be published, by whom, and through which agent. */
export type Publication = {
  /** A file or a folder. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  readonly type: string;
  readonly keyFile: string;
  readonly storageFolder: string;
  /** The data folder of the agent that becomes the first source. */
  readonly agentData: string;
  readonly signal: AbortSignal;
  onProgress(what: string, doneBytes: number, totalBytes: number): void;
};

/** A content that the organisation now has. */
export type Published = {
  readonly contentId: string;
  readonly sizeBytes: number;
  readonly pieces: number;
};

/**
 * Publishes a package: reads and signs it, copies its bytes to the file storage directory and
 * hands both to the agent.
 *
 * @throws OperatorError with the code of the step that failed, or `interrupted`.
 */
export async function publishPackage(publication: Publication): Promise<Published> {
  const { path, name, version, type, signal } = publication;
  const key = await loadPublisherKey(publication.keyFile);
  const control = await openControl(publication.agentData);
  // Whether the agent is there at all is asked before gigabytes are copied.
  await control(AGENT_ROUTES.showStatus);
  const stored = await writeBlob(
    path,
    {
      ...{ name, version, type, signal },
      signedAtS: Math.floor(Date.now() / 1000),
      onBytes: ({ doneBytes, sizeBytes }) =>
        publication.onProgress("Hashing and copying", doneBytes, sizeBytes),
    },
    { storage: publication.storageFolder, key },
  );
  const manifest = Buffer.from(stored.signed).toString("base64");
  try {
    await control(AGENT_ROUTES.publish, { body: { blobPath: stored.blob, manifest } });
  } catch (error) {
    // What nobody accepts must not take the room of the file storage.
    if (!stored.wasThere && isRefusal(error)) await rm(stored.folder, { recursive: true });
    throw error;
  }
  const { contentId } = stored;
  return {
    contentId,
    sizeBytes: stored.manifest.sizeBytes,
    pieces: stored.manifest.pieces.length,
  };
}

/** Whether it is certain that a content has not been taken, and will not be later. */
function isRefusal(error: unknown): boolean {
  return error instanceof OperatorError && !UNDECIDED.has(error.code);
}

/** What leaves open what becomes of a publication: the agent may bring it to the server yet. */
const UNDECIDED: ReadonlySet<string> = new Set(["server-unreachable", "control-broken"]);
