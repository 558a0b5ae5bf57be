import type { STORAGE_ROUTES } from "../../api/storage-routes.ts";
import type { StorageView } from "../../api/storage-schemas.ts";
import type { FileStorageRow } from "../../coordinator/state.ts";
import { requireMatch } from "../../runtime/http/entity-tag.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import type { Caller, HttpHandlers } from "../../runtime/http/route.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { type Allowed, notConfigured } from "../storage/file-storage.ts";
import type { ServerApi } from "./handlers.ts";
import { refusal } from "./refusals.ts";

/** The operations on the file storage. */
export function storageHandlers(api: ServerApi): HttpHandlers<typeof STORAGE_ROUTES> {
  const { fileStorage } = api;
  const view = () => viewOf(fileStorage.row);
  const allowedIf =
    (ifMatch: string | undefined): Allowed =>
    ({ moves }) => {
      requireMatch(ifMatch, view);
      if (moves && api.uploads.count > 0) throw inUse(api.uploads.count);
    };
  return {
    showStorage: view,
    setStorage: async ({ body, ifMatch, caller }) => {
      requireMatch(ifMatch, view);
      await fileStorage.configure(body, changer(api, caller), allowedIf(ifMatch));
      return view();
    },
    checkStorage: async () => {
      if (!fileStorage.isConfigured) throw notConfigured();
      try {
        await fileStorage.check();
        return { works: true };
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        return { works: false, problem: { code: error.code, detail: error.message } };
      }
    },
    clearStorage: async ({ ifMatch, caller }) => {
      await fileStorage.clear(changer(api, caller), allowedIf(ifMatch));
      return view();
    },
  };
}

/** Has the coordinator write down what is configured, in the name of who asks. */
function changer({ command }: ServerApi, caller: Caller) {
  return async (storage: Omit<FileStorageRow, "configuredAtMs"> | undefined): Promise<void> => {
    const what = storage === undefined ? {} : { storage };
    const answer = await command({ kind: "set-file-storage", ...what }, caller);
    if (answer.kind !== "file-storage-changed") throw refusal(answer);
  };
}

function inUse(uploads: number): RequestRefused {
  const detail =
    `${uploads} uploads into the file storage are under way: wait until they are complete, or give ` +
    'them up, with "branchline upload abandon".';
  return new RequestRefused(409, "storage-in-use", detail);
}

function viewOf(row: FileStorageRow | undefined): StorageView {
  if (row === undefined) return { configured: false };
  const { kind, location, details, configuredAtMs } = row;
  return { configured: true, kind, location, details: { ...details }, configuredAtMs };
}
