import type { ServerFiles } from "./files.ts";
import type { ServerSettings } from "./settings.ts";

/** Where a server's database is: a file of its own, or a database on a PostgreSQL server. */
export type DatabasePlace =
  | { readonly kind: "sqlite"; readonly path: string }
  | { readonly kind: "postgres"; readonly url: string };

/** The place that the settings name. */
export function databasePlace(
  { database }: Pick<ServerSettings, "database">,
  { database: path }: Pick<ServerFiles, "database">,
): DatabasePlace {
  return database.url === undefined
    ? { kind: "sqlite", path }
    : { kind: "postgres", url: database.url };
}

/** The place as it may be shown: without the password. */
export function placeText(place: DatabasePlace): string {
  if (place.kind === "sqlite") return place.path;
  const url = new URL(place.url);
  url.password = "";
  url.searchParams.delete("password");
  return url.href;
}
