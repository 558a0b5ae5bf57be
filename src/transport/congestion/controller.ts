import type { Due } from "../../base/machine.ts";

/** What one acknowledgement said about one packet or several. */
export type Acked = {
  readonly bytes: number;
  /** The round trip it measured, less what the peer waited; `undefined` where it measured none. */
  readonly rttUs: number | undefined;
  /** Whether we had nothing more to send, so that the window was never tested. */
  readonly appLimited: boolean;
};

/** A packet that has left, and the length of its datagram. */
export type Sent = { readonly packet: number; readonly bytes: number; readonly probe: boolean };

/** When packets reached the peer, as it says itself. */
export type Arrivals = {
  /** In the order in which they came; times are the peer's own clock's. */
  readonly arrived: readonly { readonly packet: number; readonly atUs: number }[];
  /** When the peer said so, by its own clock. */
  readonly saidAtUs: number;
};

/**
 * Decides how many bytes one association may have in flight, and when they may leave.
 *
 * Every implementation must pass `controllerContract` in `controller.contract.ts`.
 */
export type Controller = {
  /**
   * Whether all of a record may leave in one burst, as a switch's buffer takes it and an edge
   * router's does not.
   */
  readonly inTrains: boolean;

  /** Told of each packet that leaves and that {@link allowance} let through, and of each probe. */
  onSent(nowUs: number, sent: Sent): void;

  /** Told when packets reached the peer; `heardAtUs` is when this came to us. */
  onArrivals(nowUs: number, heardAtUs: number, arrivals: Arrivals): void;

  /** Told once for each acknowledgement frame that acknowledged something new. */
  onAcked(nowUs: number, acked: Acked): void;

  /** Told of packets that count as lost. */
  onLost(nowUs: number, packets: number): void;

  /** Told once for each loss episode (a round trip long), not once for each lost datagram. */
  onCongestion(nowUs: number): void;

  /** Told when nothing has come back for several probe times: the path is to be learnt anew. */
  onPersistentCongestion(nowUs: number): void;

  /** Told whether anything waits that {@link allowance} holds back. */
  onWaiting(nowUs: number, waits: boolean): void;

  /** When {@link onTimer} is to be called. */
  due(): Due;

  onTimer(nowUs: number): void;

  /** Whether a probe is to leave now: a packet without data, whose arrival is to be reported. */
  wantsProbe(nowUs: number): boolean;

  /** The most bytes that may be unacknowledged now; never below `WINDOW_BYTES_MIN`. */
  windowBytes(): number;

  /**
   * How many bytes may leave now; at most zero where none may.
   *
   * @param lateUs - How late the world has lately let us act.
   */
  allowance(nowUs: number, lateUs: number): number;

  /** When some may leave that may not now, as far as time decides. Asked after {@link allowance}. */
  allowedAtUs(nowUs: number): number;

  /** How fast the path takes what is sent, in bytes a second; `Infinity` where nobody knows. */
  lineRate(): number;

  /** For how long it has held everything back because of others, but for moments; 0 where it has not. */
  busyUs(nowUs: number): number;

  /** What it believes now, for people. */
  status(): ControllerStatus;
};

/** What a controller believes of the path. */
export type ControllerStatus = {
  /** `seeking` the rate, `steady`, or `yielding` to others. */
  readonly state: "seeking" | "steady" | "yielding";
  /** The line's rate, in bytes a second; absent where the law has no use for it. */
  readonly capacityBytesPerS?: number;
  /** How long a datagram waits in the line's queue; absent where the law does not look. */
  readonly queueUs?: number;
};

/** The full size of a datagram, for windows that are counted in datagrams. */
export const DATAGRAM_BYTES = 1_200;

/** The smallest window: two full datagrams, so that a delayed acknowledgement cannot stall us. */
export const WINDOW_BYTES_MIN: number = 2 * DATAGRAM_BYTES;
