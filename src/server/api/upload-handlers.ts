import type { UPLOAD_ROUTES } from "../../api/upload-routes.ts";
import type { UploadView } from "../../api/upload-schemas.ts";
import type { Caller, HttpHandlers } from "../../runtime/http/route.ts";
import type { Publish, UploadStanding } from "../storage/uploads.ts";
import type { ServerApi } from "./handlers.ts";
import { refusal } from "./refusals.ts";
import { callerName } from "./tokens.ts";

/** The operations by which packages come into the file storage. */
export function uploadHandlers(api: ServerApi): HttpHandlers<typeof UPLOAD_ROUTES> {
  const { uploads, database } = api;
  return {
    listUploads: () => ({ uploads: uploads.list().map(viewOf) }),
    beginUpload: async ({ body, caller }) => {
      const manifest = new Uint8Array(Buffer.from(body.manifest, "base64"));
      const by = callerName(caller, database.tokens.list());
      const { contentId, standing } = await uploads.begin(manifest, by, publisher(api, caller));
      if (standing === undefined) return { contentId, wasThere: true };
      return { contentId, wasThere: false, upload: viewOf(standing) };
    },
    showUpload: async ({ params }) => {
      const { standing, manifest } = await uploads.show(params.uploadId);
      return { ...viewOf(standing), manifest: Buffer.from(manifest).toString("base64") };
    },
    sendBytes: async ({ params, query, body }) =>
      viewOf(await uploads.take(params.uploadId, query.offset, body)),
    completeUpload: async ({ params, caller }) => ({
      contentId: await uploads.complete(params.uploadId, publisher(api, caller)),
    }),
    abandonUpload: async ({ params }) => viewOf(await uploads.abandon(params.uploadId)),
  };
}

/** Has the coordinator take a content in, in the name of who asks. */
function publisher({ command }: ServerApi, caller: Caller): Publish {
  return async ({ facts, files }, manifest) => {
    const answer = await command({ kind: "publish-content", facts, files, manifest }, caller);
    if (answer.kind !== "content-published") throw refusal(answer);
  };
}

function viewOf({ storageId: _, writing, ...shown }: UploadStanding): UploadView {
  return { ...shown, sizeBytes: writing.sizeBytes };
}
