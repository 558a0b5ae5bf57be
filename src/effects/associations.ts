import type { HandshakeOutbox } from "./handshake.ts";
import type { NetworkOutbox } from "./network.ts";

/**
 * What a machine that holds associations asks of the world, done by sockets and handshakes: its
 * whole outbox but for what the program itself does.
 */
export function associationEffects(
  sockets: NetworkOutbox,
  handshakes: HandshakeOutbox,
): NetworkOutbox & HandshakeOutbox {
  return {
    send: (to, channel, bytes, segmentBytes) => sockets.send(to, channel, bytes, segmentBytes),
    leftAtUs: () => sockets.leftAtUs?.(),
    datagramBytesMax: (host) => sockets.datagramBytesMax?.(host),
    handshakeStart: (key, side, anonymous) => handshakes.handshakeStart(key, side, anonymous),
    handshakeFeed: (key, bytes) => handshakes.handshakeFeed(key, bytes),
    handshakeEnd: (key) => handshakes.handshakeEnd(key),
  };
}
