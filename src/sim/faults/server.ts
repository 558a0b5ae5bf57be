import type { Fault } from "./fault.ts";

/** The server crashes, and begins anew with what it had committed. */
export const serverCrash: Fault = {
  kind: "server-crash",
  strike: (scene) => {
    if (!scene.serverUp) return undefined;
    const { server } = scene.organisation;
    server.stop();
    scene.serverUp = false;
    const heal = (): void => {
      server.restart();
      scene.serverUp = true;
    };
    return { sentence: "the server crashes", offices: "all", heal };
  },
};

/** The server is lost, and comes back with what it knew a while ago. */
export const serverRestored: Fault = {
  kind: "server-restored",
  strike: (scene) => {
    if (!scene.serverUp || !scene.mayRestore || scene.backup === undefined) return undefined;
    const { server } = scene.organisation;
    const { backup } = scene;
    server.stop();
    scene.serverUp = false;
    const heal = (): void => {
      server.database = backup.copy();
      server.restart();
      scene.serverUp = true;
      scene.restored = true;
    };
    return { sentence: "the server is lost, and restored from a backup", offices: "all", heal };
  },
};

/** The server is out of reach of everyone, and knows nothing of it. */
export const serverAway: Fault = {
  kind: "server-away",
  strike: (scene) => {
    const { host } = scene.organisation.server;
    const heal = scene.network.block((from, to) => from === host || to === host);
    return { sentence: "the server is out of reach", offices: "all", heal };
  },
};
