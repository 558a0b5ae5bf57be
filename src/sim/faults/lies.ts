import { Bitset } from "../../base/bitset.ts";
import { GIB } from "../../base/units.ts";
import { CHANNELS } from "../../effects/channels.ts";
import type { PeerInput } from "../../peer/contract.ts";
import type { SimDevice } from "../device.ts";
import type { Scene } from "../scene.ts";
import { type Blow, blowTo, type Fault, pick, victim } from "./fault.ts";

/** A device sends pieces that are not what they should be. */
export const wrongPieces: Fault = lie("lies-pieces", "sends wrong pieces", (device) => {
  device.spoil = (bytes) => bytes.map((byte, index) => (index === 7 ? byte ^ 1 : byte));
});

/** A device says that it holds everything, and has nothing. */
export const emptyClaims: Fault = lie("lies-claims", "claims what it lacks", (device, scene) => {
  device.onInput = (input) => {
    if (input.kind !== "content-created") return input;
    const simPackage = scene.packages.find(({ contentId }) => contentId === input.contentId);
    const all = new Bitset(simPackage?.pieces.length ?? 0);
    for (let piece = 0; piece < all.size; piece += 1) all.add(piece);
    return { ...input, pieces: all.toBytes() };
  };
});

/** A device accuses everybody who sends it something. */
export const falseDoubts: Fault = lie("lies-doubts", "doubts what is right", (device) => {
  device.onInput = (input): PeerInput =>
    input.kind === "piece-stored"
      ? { ...input, kind: "piece-rejected", cause: "mismatch", problem: "" }
      : input;
});

/** A device says that it has more room than anybody, and is elected; and its disk is full. */
export const falseSpace: Fault = lie("lies-space", "says it has room", (device) => {
  device.store.full = true;
  const facts = { ...device.facts, freeBytes: 9_000 * GIB, usableBytes: 9_000 * GIB };
  device.tell({ kind: "facts-changed", facts });
});

/** A device answers nobody any more, and is heard all the same. */
export const useless: Fault = lie("useless", "answers no request", (device) => {
  device.onInput = (input) => (input.kind === "piece-read" ? undefined : input);
});

/** A device does nothing any more, and its system is still there. */
export const mute: Fault = {
  kind: "mute",
  strike: (scene) => {
    const device = victim(scene);
    if (device === undefined) return undefined;
    device.onInput = (input) => (input.kind === "datagram-received" ? undefined : input);
    const heal = (): void => {
      device.onInput = (input) => input;
    };
    return blowTo(scene, device, { sentence: "hears nothing any more", heal });
  },
};

/** A device sends senseless datagrams to everybody, and what it has seen once more. */
export const flood: Fault = {
  kind: "flood",
  strike: (scene) => {
    const device = victim(scene);
    if (device === undefined) return undefined;
    const { world, prng, organisation } = scene;
    const hosts = [...scene.devices.map(({ host }) => host), organisation.server.host];
    let over = false;
    const turn = (): void => {
      if (over) return;
      for (let count = 0; count < 20; count += 1) {
        const to = pick(prng, hosts) ?? "";
        const bytes = senseless(scene);
        const channel = "message-small";
        bytes[0] = ((bytes[0] ?? 0) & 0xf0) | (prng.below(4) === 0 ? 10 : CHANNELS[channel]);
        world.inject({ from: device.host, to, channel, bytes });
      }
      world.plan(20_000 + prng.below(100_000), turn);
    };
    turn();
    const heal = (): void => {
      over = true;
    };
    return blowTo(scene, device, { sentence: "floods everybody", heal });
  },
};

/** Bytes by chance, or what somebody else has sent with some of it changed. */
function senseless({ prng, overheard }: Scene): Uint8Array {
  const seen = pick(prng, overheard);
  if (seen === undefined || prng.below(4) === 0) {
    return Uint8Array.from({ length: 1 + prng.below(200) }, () => prng.below(256));
  }
  const bytes = seen.slice(0, prng.below(4) === 0 ? 1 + prng.below(seen.length) : seen.length);
  for (let flips = prng.below(4); flips > 0; flips -= 1) {
    const at = prng.below(bytes.length);
    bytes[at] = prng.below(256);
  }
  return bytes;
}

/** A device that does not do what it should, until it is installed anew. */
function lie(
  kind: string,
  sentence: string,
  begin: (device: SimDevice, scene: Scene) => void,
): Fault {
  return {
    kind,
    strike: (scene): Blow | undefined => {
      const device = victim(scene, (one) => one !== scene.publisher);
      if (device === undefined) return undefined;
      scene.liars.add(device);
      begin(device, scene);
      const heal = (): void => {
        device.stop();
        device.spoil = (bytes) => bytes;
        device.onInput = (input) => input;
        device.store.full = false;
        scene.liars.delete(device);
        device.start();
      };
      return blowTo(scene, device, { sentence, heal });
    },
  };
}
