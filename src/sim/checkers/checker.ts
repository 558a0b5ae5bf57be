import type { ContentId, DeviceId } from "../../base/ids.ts";
import type { PeerEvent, PeerInput } from "../../peer/contract.ts";
import type { Deployments } from "../../wire/messages.ts";
import type { SimDevice } from "../device.ts";
import type { Scene } from "../scene.ts";
import type { Passing } from "../tap.ts";

/** Something that must never be so, and was. */
export type Violation = {
  readonly checker: string;
  /** What was wrong, for who reads it. */
  readonly sentence: string;
  readonly atUs: number;
  /** The number of the event at which it was found. */
  readonly event: number;
};

/** Says that something must never be so. */
export type Violate = (checker: string, sentence: string) => void;

/** Somebody who looks on, and says when a promise is broken. */
export type Checker = {
  readonly name: string;
  /** A device is told something. */
  onTold?(device: SimDevice, input: PeerInput): void;
  /** A device has reported something. */
  onReport?(device: SimDevice, event: PeerEvent): void;
  /** Bytes of a piece or a manifest leave a device. */
  onSent?(device: SimDevice, to: DeviceId, passing: Passing): void;
  /** Bytes of a piece or a manifest reach a device. */
  onReceived?(device: SimDevice, from: DeviceId, passing: Passing): void;
  /** A device is told by the server what it is to have. */
  onTaught?(device: SimDevice, said: Deployments): void;
  /** A device asks another for a part of a content. */
  onAsked?(device: SimDevice, contentId: ContentId): void;
  /** A device asks its LAN. */
  onQuestion?(device: SimDevice): void;
  /** A device begins anew, and counts from zero. */
  onStart?(device: SimDevice): void;
  /** A while has passed. */
  onLook?(): void;
  /** Something has gone wrong that may cost these offices another copy. */
  onBlow?(offices: readonly string[] | "all"): void;
  /** All is well again, everybody has what he should have, and it has settled. */
  onEnd?(): void;
};

/** What a checker is made from. */
export type CheckerParts = { readonly scene: Scene; readonly violate: Violate };
