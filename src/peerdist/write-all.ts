import { writeSync } from "node:fs";

/** Writes all of `bytes` at a place of a file. @throws What the file system has to say. */
export function writeAllSync(descriptor: number, bytes: Uint8Array, at: number): void {
  // A disk that fills takes what it has room for, and says so at the next time.
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, at + done);
  }
}
