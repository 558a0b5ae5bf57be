import { invariant } from "../base/invariant.ts";
import { KIB, MIB, MS, SECOND } from "../base/units.ts";
import { ACK_BITMAP_BYTES_MAX } from "../wire/frames.ts";

/** Most fragments of a record: what one GSO send can carry. */
export const FRAGMENTS_MAX = 64;

/** Most bytes of a record's plaintext. 64 KiB would need two GSO sends. */
export const RECORD_BYTES_MAX: number = 60 * KIB;

/** How long a record may take on its line: whoever waits for its first byte waits for its last. */
export const RECORD_US_MAX: number = 20 * MS;

/** How far ahead of the oldest unfinished record a sender may run, in records. */
export const RECORD_WINDOW: number = 8 * ACK_BITMAP_BYTES_MAX;

/** How many bytes of unfinished records a receiver holds for one association. */
export const RECEIVE_WINDOW_BYTES: number = 4 * MIB;

/**
 * A receiver acknowledges at the latest after this many bytes and a quarter of what has come since
 * a packet was missing: about as much as a sender's window lets it send...
 */
export const ACK_BYTES_MIN: number = 16 * KIB;

/** ... in Foreground after a piece at the latest, which has most often been sent in one go... */
export const ACK_BYTES_FOREGROUND: number = 256 * KIB;

/** ... or after this time. It is the longest that any acknowledgement waits. */
export const ACK_DELAY_FOREGROUND_US: number = 20 * MS;

/**
 * ... or after this time, as long as less than four times the bytes above have come since a packet
 * was missing: the rest of a small window would wait for the timer again and again.
 */
export const ACK_DELAY_EARLY_US: number = 2 * MS;

/** In Background, where acknowledgements pace the sender: after this many bytes... */
export const ACK_BYTES_BACKGROUND: number = 48 * KIB;

/** ... or after this time. */
export const ACK_DELAY_BACKGROUND_US: number = 5 * MS;

/**
 * In both where only small messages have come: nobody waits for the next one to be allowed, and
 * every acknowledgement wakes its receiver.
 */
export const ACK_DELAY_US_MAX: number = ACK_DELAY_FOREGROUND_US;

/**
 * How fast small messages may leave across a line that bulk is held back from, in bytes a second:
 * requests and news of pieces, without which others would wait.
 */
export const SMALL_RATE: number = 32 * KIB;

/** Reordering we tolerate before a packet counts as lost, in packets (RFC 9002, 6.1.1). */
export const PACKET_THRESHOLD = 3;

/** Timer granularity (RFC 9002, 6.1.2): Node's timers fire on whole milliseconds. */
export const GRANULARITY_US: number = MS;

/** The round trip assumed before the first measurement. RFC 9002 has 333 ms; offices are nearer. */
export const RTT_INITIAL_US: number = 200 * MS;

/** Longest time between two probes of an unanswering peer. */
export const PTO_US_MAX: number = 2 * SECOND;

/** An association whose peer owes us an answer for this long is down. */
export const SILENCE_US_MAX: number = 6 * SECOND;

/** How often we speak on an otherwise silent association. */
export const KEEPALIVE_US: number = 5 * SECOND;

/** A peer that we do not hear for this long is gone, even where it owes us nothing. */
export const IDLE_US_MAX: number = 20 * SECOND;

/** Longest handshake. */
export const HANDSHAKE_US_MAX: number = 10 * SECOND;

/** First wait before handshake bytes are sent again; doubles each time. */
export const HANDSHAKE_RESEND_US: number = 250 * MS;

/** Most TLS bytes in one direction. */
export const HANDSHAKE_BYTES_MAX: number = 16 * KIB;

/** Most handshakes that others began with us, at a time. */
export const HANDSHAKES_MAX = 256;

/** Most of them from one /24 (IPv4) or /64 (IPv6). */
export const HANDSHAKES_PER_PREFIX_MAX = 128;

/** Most associations an endpoint keeps; beyond it nobody new is let in. */
export const ASSOCIATIONS_MAX = 65_536;

/** How long a cookie is good for, at least; at most twice this. */
export const COOKIE_US: number = 10 * SECOND;

/** Records sealed under one key before the next one is derived. */
export const REKEY_RECORDS: number = 1 << 20;

/** Longest life of a key. */
export const REKEY_US: number = 3_600 * SECOND;

/**
 * An association closes after this many records that did not open.
 *
 * A forger's chance per attempt at a 60 KiB record is 2^-116 (NIST SP 800-38D, appendix C), so
 * this bound is about noise and not about safety; a lower one would let anybody who can send a
 * few thousand datagrams cut an association.
 */
export const FAILED_OPENINGS_MAX: number = 1 << 24;

/** How often a length of datagrams is tried before it counts as too long (RFC 8899, 5.1.2). */
export const MTU_PROBES_MAX = 3;

/** How long after a black hole longer datagrams are tried again. */
export const MTU_RETRY_US: number = 60 * SECOND;

/** How often an initiator keeps the ways open on which it may be sent much. */
export const OPENER_US: number = 20 * SECOND;

/** How long ways that have just been opened are left alone, whatever the peer asks. */
export const REOPEN_US: number = SECOND;

/** How long a spoilt record keeps an association at one record a datagram. */
export const SINGLE_US: number = 60 * SECOND;

/** Numbers of packets and records end here: the association closes and is made anew. */
export const NUMBER_MAX = 0xff_ff_ff_00;

// A peer that owes us nothing is spoken to several times before it counts as gone.
invariant(KEEPALIVE_US * 3 <= IDLE_US_MAX, "keep-alives are too sparse for the idle limit");
invariant(RECORD_BYTES_MAX < 65_536, "a frame's length field has 16 bits");
