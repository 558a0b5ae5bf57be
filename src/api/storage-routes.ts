import { route } from "./route.ts";
import { StorageCheck, StorageInput, StorageView } from "./storage-schemas.ts";

/** What the API says of file storage. */
export const STORAGE_ROUTES = {
  showStorage: route({
    method: "GET",
    path: "/api/v1/file-storage",
    summary: "Where packages are kept, without secrets.",
    status: 200,
    response: StorageView,
  }),
  setStorage: route({
    method: "PUT",
    path: "/api/v1/file-storage",
    summary: "Tries a file storage for real, and has packages kept there from now on.",
    body: StorageInput,
    ifMatch: true,
    status: 200,
    response: StorageView,
  }),
  checkStorage: route({
    method: "POST",
    path: "/api/v1/file-storage/check",
    summary: "Writes, reads, reads in part and removes something in the file storage.",
    status: 200,
    response: StorageCheck,
  }),
  clearStorage: route({
    method: "DELETE",
    path: "/api/v1/file-storage",
    summary: "Has no file storage from now on; what lies in it stays.",
    ifMatch: true,
    status: 200,
    response: StorageView,
  }),
} as const;
