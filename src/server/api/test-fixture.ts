import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ApiClient } from "../../runtime/http/client.ts";
import { createControlClient } from "../../runtime/http/control-client.ts";
import { TestServer } from "./test-server.ts";

/** What a test of the API has to itself: a server, its folder, and a client on its control socket. */
export type Fixture = {
  readonly folder: string;
  readonly server: TestServer;
  readonly client: ApiClient;
};

/** Starts a server in a folder of its own. */
export async function openFixture(): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), "branchline-api-"));
  const server = await TestServer.start(folder);
  return { folder, server, client: createControlClient(join(folder, "control.sock")) };
}

/** Ends it, whichever server is in the folder by now. @throws AggregateError where it made mistakes. */
export async function closeFixture({ folder, server }: Omit<Fixture, "client">): Promise<void> {
  await server.stop();
  await rm(folder, { recursive: true });
  if (server.faults.length > 0) throw new AggregateError(server.faults, "the server made mistakes");
}
