import { inflateRawSync } from "node:zlib";

// A workbook is a zip file, and a zip file of some kilobytes can unpack to gigabytes. So it is
// measured before anything unpacks it. Layout: APPNOTE.TXT of PKWARE, sections 4.3.7, 4.3.12, 4.3.16.

/** Most bytes of a workbook, and of all that it unpacks to. */
export const FILE_BYTES_MAX: number = 32 * 1024 * 1024;
const UNPACKED_BYTES_MAX = 256 * 1024 * 1024;

/** Most files in a workbook. */
const ENTRIES_MAX = 4_096;

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const COMMENT_BYTES_MAX = 0xffff;
const STORED = 0;
const DEFLATED = 8;

type Entry = { readonly method: number; readonly packed: Buffer; readonly bytes: number };

/** Why a zip file must not be unpacked, as half a sentence; `undefined` where it may. */
export function judgeZip(file: Buffer): string | undefined {
  if (file.length > FILE_BYTES_MAX) return `is larger than ${FILE_BYTES_MAX / 1024 / 1024} MiB`;
  const entries = entriesOf(file);
  if (typeof entries === "string") return entries;
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  if (bytes > UNPACKED_BYTES_MAX) return "would unpack to far more than a list of offices needs";
  // What the directory says may be a lie: each entry is unpacked once, and no further than it says.
  return entries.every(isAsLong) ? undefined : "unpacks to something else than it says";
}

function isAsLong({ method, packed, bytes }: Entry): boolean {
  if (method === STORED) return packed.length === bytes;
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(bytes, 1) }).length === bytes;
  } catch {
    return false;
  }
}

function entriesOf(file: Buffer): readonly Entry[] | string {
  const broken = "is no workbook, or a damaged one";
  const end = endOf(file);
  if (end === undefined) return broken;
  const count = file.readUInt16LE(end + 10);
  if (count > ENTRIES_MAX) return "has more files in it than a workbook has";
  const entries: Entry[] = [];
  for (let at = file.readUInt32LE(end + 16), left = count; left > 0; left -= 1) {
    if (at + 46 > end || file.readUInt32LE(at) !== CENTRAL) return broken;
    const entry = entryAt(file, at);
    if (entry === undefined) return broken;
    entries.push(entry);
    const nameAndMore = [28, 30, 32].map((place) => file.readUInt16LE(at + place));
    at += 46 + nameAndMore.reduce((sum, bytes) => sum + bytes, 0);
  }
  return entries;
}

function entryAt(file: Buffer, at: number): Entry | undefined {
  const method = file.readUInt16LE(at + 10);
  const packedBytes = file.readUInt32LE(at + 20);
  const bytes = file.readUInt32LE(at + 24);
  const local = file.readUInt32LE(at + 42);
  if (method !== STORED && method !== DEFLATED) return undefined;
  if (local + 30 > file.length || file.readUInt32LE(local) !== LOCAL) return undefined;
  const start = local + 30 + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
  if (start + packedBytes > file.length) return undefined;
  return { method, packed: file.subarray(start, start + packedBytes), bytes };
}

/** Where the directory's end is, which stands before a comment of any length. */
function endOf(file: Buffer): number | undefined {
  const first = Math.max(0, file.length - END_BYTES - COMMENT_BYTES_MAX);
  for (let at = file.length - END_BYTES; at >= first; at -= 1) {
    if (file.readUInt32LE(at) === END) return at;
  }
  return undefined;
}
