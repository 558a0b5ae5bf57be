import type { OriginFault } from "../../effects/origin.ts";

/** An origin did not bring a range; the message is a sentence for the operator. */
export class OriginFailure extends Error {
  readonly fault: OriginFault;

  constructor(fault: OriginFault, sentence: string) {
    super(sentence);
    this.fault = fault;
  }
}
