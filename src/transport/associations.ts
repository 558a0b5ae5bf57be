import type { Endpoint, EndpointOptions } from "./endpoint.ts";

/**
 * All associations of one program, as its brain uses them.
 *
 * {@link Endpoint} is the real one, over datagrams. The simulator has another, over flows, for worlds
 * that are too large for datagrams; `associations.contract.ts` says what both keep.
 */
export type Associations = Pick<
  Endpoint,
  | "close"
  | "closeAll"
  | "connect"
  | "counters"
  | "dropBlocks"
  | "due"
  | "hearing"
  | "heldBytes"
  | "inOneGo"
  | "pathStatus"
  | "queuedBytes"
  | "rttUs"
  | "sendBlock"
  | "sendMessage"
  | "step"
  | "useProtocol"
>;

/** Makes the associations of a program. */
export type MakeAssociations = (options: EndpointOptions) => Associations;
