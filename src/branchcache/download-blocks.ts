import { type ByteRange, blockLength, listedBlocks, type Segment } from "./content-information.ts";
import { SERVER_RANGE_BYTES } from "./download-types.ts";
import type { Offer } from "./offers.ts";

/** A segment that is being fetched. */
export type Open = {
  readonly segment: Segment;
  readonly id: string;
  /** Blocks that nobody has been asked for, in order. */
  readonly pending: Set<number>;
  readonly unreadable: Set<number>;
  readonly offers: Offer[];
  /** How many questions about it have no answer yet. */
  asking: number;
  /** Whether anybody was asked; nobody is about what we have ourselves. */
  wasAsked: boolean;
};

/** One block of it. */
export type Block = { readonly open: Open; readonly blockIndex: number };

/** The blocks at the front that lie one behind the other in the file, up to one request. */
export function firstRun(blocks: readonly Block[]): readonly Block[] {
  let endBytes = startOf(blocks[0]);
  let length = 0;
  const limitBytes = endBytes + SERVER_RANGE_BYTES;
  for (const block of blocks) {
    if (startOf(block) !== endBytes || endBytes + lengthOf(block) > limitBytes) break;
    endBytes += lengthOf(block);
    length += 1;
  }
  return blocks.slice(0, length);
}

/** Where a block begins in the file. */
export function startOf(block: Block | undefined): number {
  if (block === undefined) return 0;
  const { segment } = block.open;
  return segment.offsetBytes + block.blockIndex * segment.blockSizeBytes;
}

/** How long a block is. */
export function lengthOf({ open, blockIndex }: Block): number {
  return blockLength(open.segment, blockIndex);
}

/** The blocks of a segment that a range touches. */
export function wantedBlocks(segment: Segment, range: ByteRange): readonly number[] {
  const { offsetBytes, blockSizeBytes } = segment;
  return Array.from({ length: listedBlocks(segment) }, (_, index) => index).filter((index) => {
    const startBytes = offsetBytes + index * blockSizeBytes;
    const endBytes = startBytes + blockLength(segment, index);
    return startBytes < range.endBytes && endBytes > range.startBytes;
  });
}
