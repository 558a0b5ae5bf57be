import { Type } from "typebox";
import { ContentIdText } from "./common.ts";
import { BytesBody, exact, route } from "./route.ts";
import { UuidText } from "./token-schemas.ts";
import {
  UploadBegun,
  UploadDetail,
  UploadInput,
  UploadQuery,
  UploadView,
} from "./upload-schemas.ts";

/** Most bytes that one request brings of a package. */
export const UPLOAD_REQUEST_BYTES_MAX: number = 64 * 1024 * 1024;

/** How packages come into the file storage. */
export const UPLOAD_ROUTES = {
  listUploads: route({
    method: "GET",
    path: "/api/v1/uploads",
    summary: "Packages on their way into the file storage, the newest first.",
    status: 200,
    response: exact({ uploads: Type.Array(UploadView) }),
  }),
  beginUpload: route({
    method: "POST",
    path: "/api/v1/uploads",
    summary: "Begins to upload a package, or finds the upload of it that has begun.",
    body: UploadInput,
    bodyBytesMax: 24 * 1024 * 1024,
    status: 200,
    response: UploadBegun,
  }),
  showUpload: route({
    method: "GET",
    path: "/api/v1/uploads/:uploadId",
    summary: "How far an upload is, and its manifest.",
    params: exact({ uploadId: UuidText }),
    status: 200,
    response: UploadDetail,
  }),
  sendBytes: route({
    method: "PUT",
    path: "/api/v1/uploads/:uploadId/bytes",
    summary: "Brings the next bytes of a package; each piece is checked as it comes.",
    params: exact({ uploadId: UuidText }),
    query: UploadQuery,
    body: BytesBody,
    bytes: true,
    bodyBytesMax: UPLOAD_REQUEST_BYTES_MAX,
    status: 200,
    response: UploadView,
  }),
  completeUpload: route({
    method: "POST",
    path: "/api/v1/uploads/:uploadId/completion",
    summary: "Publishes a package all of whose bytes have come.",
    params: exact({ uploadId: UuidText }),
    status: 200,
    response: exact({ contentId: ContentIdText }),
  }),
  abandonUpload: route({
    method: "DELETE",
    path: "/api/v1/uploads/:uploadId",
    summary: "Gives an upload up; what came of it is removed.",
    params: exact({ uploadId: UuidText }),
    status: 200,
    response: UploadView,
  }),
} as const;
