import { rm } from "node:fs/promises";
import { AGENT_ROUTES } from "../api/agent-routes.ts";
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
  /** Where the package is put together meanwhile; nothing of it stays there. */
  readonly workFolder: string;
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
 * Publishes a package through this machine's agent, which becomes the first source: reads and signs
 * it, copies its bytes, and hands both to the agent.
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
    { folder: publication.workFolder, key },
  );
  const manifest = Buffer.from(stored.signed).toString("base64");
  try {
    await control(AGENT_ROUTES.publish, { body: { blobPath: stored.blob, manifest } });
  } finally {
    // The agent has taken it in, or nobody wants it.
    await rm(stored.folder, { recursive: true, force: true });
  }
  const { contentId } = stored;
  return {
    contentId,
    sizeBytes: stored.manifest.sizeBytes,
    pieces: stored.manifest.pieces.length,
  };
}
