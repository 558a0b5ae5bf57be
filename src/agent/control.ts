import { hostname } from "node:os";
import { AGENT_ROUTES } from "../api/agent-routes.ts";
import type { AgentStatusView, ExplanationView, PublicationInput } from "../api/agent-schemas.ts";
import { inForceView } from "../api/profile-forms.ts";
import { PRODUCT_VERSION } from "../base/constants.ts";
import { type ContentId, contentIdOf } from "../base/ids.ts";
import { splitSignedManifest } from "../content/manifest-codec.ts";
import type { PeerInput } from "../peer/contract.ts";
import type { Peer } from "../peer/peer.ts";
import { protocolOf } from "../peer/source-protocol.ts";
import { nodeCrypto } from "../runtime/crypto.ts";
import { type ControlServer, serveControl } from "../runtime/http/control-server.ts";
import { RequestRefused } from "../runtime/http/problem.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import type { PieceSource } from "../wire/messages.ts";
import { contentWithPrefix, pinContent, purgeCache, showCache } from "./cache-control.ts";
import { agentFiles, type EnrolmentRecord } from "./enrolment-file.ts";
import type { Publications } from "./publications.ts";
import type { AgentSettings } from "./settings.ts";
import type { ContentStore } from "./store/content-store.ts";
import { deliveredPath } from "./store/delivery.ts";

/** What the agent's control socket answers from. */
export type ControlParts = {
  readonly settings: AgentSettings;
  readonly enrolment: EnrolmentRecord;
  readonly peer: Peer;
  readonly store: ContentStore;
  readonly publications: Publications;
  readonly input: (input: PeerInput) => void;
  readonly onFault: (error: unknown) => void;
};

/** Serves the agent's control socket. @throws OperatorError as `serveControl` does. */
export async function serveAgentControl(parts: ControlParts): Promise<ControlServer> {
  const { settings, peer, store, onFault } = parts;
  return await serveControl({
    socketPath: agentFiles(settings.data).controlSocket,
    routes: AGENT_ROUTES,
    handlers: {
      showStatus: () => statusView(parts),
      publish: async ({ body }) => await publish(body, parts),
      showCache: async () => await showCache(store),
      pinContent: ({ params, body }) => pinContent(store, params.contentId, body.pinned),
      purgeCache: async ({ body }) => await purgeCache(store, body),
      explain: ({ params }) => explain(peer, params.contentId),
    },
    pages: {},
    pageHandlers: {},
    onFault,
  });
}

/** Takes a content in and brings it to the server. What the server refuses is given up again. */
async function publish(
  body: PublicationInput,
  { store, publications, input }: Pick<ControlParts, "store" | "publications" | "input">,
): Promise<{ readonly contentId: ContentId }> {
  const manifest = new Uint8Array(Buffer.from(body.manifest, "base64"));
  const contentId = idOf(manifest);
  const wasHeld = store.held().some((held) => held.contentId === contentId);
  await store.importContent(contentId, manifest, body.blobPath);
  const published = publications.wait(contentId);
  input({ kind: "publish", contentId, manifest });
  try {
    await published;
  } catch (error) {
    // Without an answer it is kept: the server may yet have it.
    if (!wasHeld && !isUnanswered(error)) {
      input({ kind: "withdraw", contentId });
      await store.removeContent(contentId);
    }
    throw error;
  }
  return { contentId };
}

function isUnanswered(error: unknown): boolean {
  return error instanceof OperatorError && error.code === "server-unreachable";
}

function idOf(manifest: Uint8Array): ContentId {
  const parts = splitSignedManifest(manifest);
  const contentId = parts.ok ? contentIdOf(nodeCrypto.sha256(parts.value.body)) : undefined;
  if (contentId !== undefined) return contentId;
  throw new RequestRefused(422, "manifest-refused", "The manifest cannot be read: publish again.");
}

function explain(peer: Peer, prefix: string): ExplanationView {
  const { contentId } = contentWithPrefix(peer.status().contents, prefix);
  const explanation = peer.explain(contentId);
  if (explanation !== undefined) {
    const { pieces, ranges, totals } = explanation;
    const viewed = <T extends { readonly source: PieceSource }>(one: T) => ({
      ...one,
      source: { ...one.source, protocol: protocolOf(one.source) },
    });
    return { contentId, pieces, ranges: ranges.map(viewed), totals: totals.map(viewed) };
  }
  const detail = "Nothing of the content has come yet, so there is nothing to explain.";
  throw new RequestRefused(409, "content-unexplained", detail);
}

function statusView({
  settings,
  enrolment,
  peer,
}: Pick<ControlParts, "settings" | "enrolment" | "peer">): AgentStatusView {
  const status = peer.status();
  return {
    deviceId: enrolment.deviceId,
    organisation: enrolment.organisation,
    hostName: hostname(),
    office: status.office,
    server: {
      address: settings.server.host ?? enrolment.serverHost,
      connected: status.serverConnected,
    },
    rvp: status.rvp,
    productVersion: PRODUCT_VERSION,
    profile: inForceView(status.profile),
    profileProblems: [...status.profileProblems],
    ...(status.lineBusyMs > 0 ? { lineBusySinceMs: Date.now() - status.lineBusyMs } : {}),
    contents: status.contents.map(({ delivered, ...content }) => ({
      ...content,
      ...(delivered ? { deliveredTo: deliveredPath(settings.delivery.folder, content) } : {}),
    })),
    peers: status.peers.map(({ host, ...peerView }) => ({ ...peerView, address: host })),
  };
}
