/** One file of a content. */
export type ManifestFile = {
  /** Relative, `/` between its parts; see `path-rules.ts` for what is refused. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Permission bits, as in POSIX: 0o644 or 0o755, nothing else. */
  readonly mode: number;
  readonly sha256: Uint8Array;
};

/** One piece: a range of the complete transfer, which is all files one behind the other. */
export type ManifestPiece = {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly sha256: Uint8Array;
};

/** What runs on a device once the content is complete. Signed with the rest: nobody can change it. */
export type ManifestAction = {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly exitCodes: readonly number[];
};

/** What a content is: everything a device must know to fetch, verify and hand it over. */
export type Manifest = {
  /** With the version, the folder in which devices hand it over; see `checkWord`. */
  readonly name: string;
  readonly version: string;
  /** A word of the publisher's choice, such as `application` or `update`. */
  readonly type: string;
  readonly signedAtS: number;
  /** One at least, in the order of `comparePaths`. */
  readonly files: readonly ManifestFile[];
  /** Folders with nothing in them, in the order of `comparePaths`. */
  readonly emptyFolders: readonly string[];
  readonly sizeBytes: number;
  /** SHA-256 of the complete transfer. */
  readonly sha256: Uint8Array;
  readonly pieces: readonly ManifestPiece[];
  readonly action?: ManifestAction;
  /** The Ed25519 public key (32 bytes) whose signature the manifest carries. */
  readonly publisher: Uint8Array;
};
