import type { Bitset } from "../base/bitset.ts";
import type { ContentId, DeviceId } from "../base/ids.ts";
import type { Side } from "../effects/handshake.ts";
import type { Assembly } from "../swarm/piece-assembly.ts";
import type { RequestTarget } from "../wire/messages.ts";

/** A content that we have asked a peer about, and what it said. */
export type Asked = {
  readonly handle: number;
  readonly contentId: ContentId;
  /** Whether the peer knows the content, because it has it or is to have it. */
  answer: "pending" | "recognised" | "unknown";
  /** Length of the manifest where the peer has it, else 0. */
  manifestBytes: number;
  /** What it holds; known once we have the manifest ourselves. */
  offered: Bitset | undefined;
  /** Whether it fetches nothing of what it lacks now. */
  resting: boolean;
};

/** A request of ours that is not answered to the end. */
export type Pending = {
  readonly requestId: number;
  readonly contentId: ContentId;
  readonly target: RequestTarget;
  readonly piece: number;
  /** Where in a manifest the answer belongs; 0 for a piece. */
  readonly baseBytes: number;
  readonly assembly: Assembly;
  readonly askedAtUs: number;
};

/** A request of the peer's that is not answered to the end. */
export type Upload = {
  readonly requestId: number;
  readonly contentId: ContentId;
  readonly piece: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
};

/** An association that is up, and what is said on it about contents. */
export type Link = {
  readonly association: number;
  readonly deviceId: DeviceId;
  /** Where the peer is now: a device that roams keeps its associations. */
  host: string;
  readonly side: Side;
  readonly upAtUs: number;
  readonly asked: Map<ContentId, Asked>;
  readonly askedByHandle: Map<number, Asked>;
  /** The peer's handles. */
  readonly served: Map<number, ContentId>;
  /** Which pieces of opened contents we have sent, so that nobody doubts what he never got. */
  readonly sent: Map<ContentId, Bitset>;
  readonly pending: Map<number, Pending>;
  readonly uploads: Upload[];
  /** Reads of ours from disk for this peer that are under way, in bytes. */
  readingBytes: number;
  pendingBytes: number;
  nextHandle: number;
  /** Bytes a second at which the peer has answered of late, and when it last answered to the end. */
  rate: number;
  answeredAtUs: number;
  /** When the last block we had asked for arrived, or we began to wait. */
  progressAtUs: number;
  /** Not asked for anything before this time: it stalled, or said that it is busy. */
  restUntilUs: number;
  /** When anything about contents was last said. */
  usedAtUs: number;
  /** It stalled and what it offers was set aside: when it has rested it is asked anew. */
  setAside: boolean;
};

/** A link on which nothing has been said. */
export function newLink(
  nowUs: number,
  peer: Pick<Link, "association" | "deviceId" | "host" | "side">,
): Link {
  return {
    ...peer,
    upAtUs: nowUs,
    asked: new Map(),
    askedByHandle: new Map(),
    served: new Map(),
    sent: new Map(),
    pending: new Map(),
    uploads: [],
    readingBytes: 0,
    pendingBytes: 0,
    nextHandle: 1,
    rate: 0,
    answeredAtUs: 0,
    progressAtUs: nowUs,
    restUntilUs: 0,
    usedAtUs: nowUs,
    setAside: false,
  };
}
