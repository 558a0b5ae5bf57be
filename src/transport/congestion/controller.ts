/** What one acknowledgement said about one packet or several. */
export type Acked = {
  readonly bytes: number;
  /** The round trip it measured, less what the peer waited; `undefined` where it measured none. */
  readonly rttUs: number | undefined;
  /** Whether we had nothing more to send, so that the window was never tested. */
  readonly appLimited: boolean;
};

/**
 * Decides how many bytes one association may have in flight, and how fast they may leave.
 *
 * Every implementation must pass `controllerContract` in `controller.contract.ts`.
 */
export type Controller = {
  /**
   * Whether all of a record may leave in one burst, as a switch's buffer takes it and an edge
   * router's does not.
   */
  readonly inTrains: boolean;

  /** Told once for each acknowledgement frame that acknowledged something new. */
  onAcked(nowUs: number, acked: Acked): void;

  /** Told once for each loss episode (a round trip long), not once for each lost datagram. */
  onCongestion(nowUs: number): void;

  /** Told when nothing has come back for several probe times: the path is to be learnt anew. */
  onPersistentCongestion(nowUs: number): void;

  /** The most bytes that may be unacknowledged now; never below `WINDOW_BYTES_MIN`. */
  windowBytes(): number;

  /** How fast to send, in bytes a second; `Infinity` where the window alone decides. */
  pacingRate(): number;

  /** What it believes now, for people. */
  status(): ControllerStatus;
};

/** What a controller believes of the path. */
export type ControllerStatus = {
  /** `seeking` the rate, `steady`, or `yielding` to a queue. */
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
