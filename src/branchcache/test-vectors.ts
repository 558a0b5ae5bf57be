import { fromHex } from "../base/hex.ts";

// Content information that a Windows server sent for a file of 99,710 bytes, in both versions, with
// what follows from it; and the samples of MS-PCCRD.

/** The secret key that the server had: 32 bytes that Windows drew. */
export const CAPTURED_KEY: Uint8Array = hex(
  "2a3d73eb435e9f2b8a344267e7467a3c7385c6e055e2b4d30dfec7c38b0ed72c",
);

export const CAPTURED_LENGTH_BYTES = 99_710;

/** One segment as it was captured, and the id that it has. */
export type CapturedSegment = {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly hashOfData: Uint8Array;
  readonly secret: Uint8Array;
  readonly id: Uint8Array;
  readonly blockHashes: readonly Uint8Array[];
};

export const CAPTURED_V1: Uint8Array = hex(
  "00010c80000000000000000000000100000000000000000000007e85010000000100d8d976354a48" +
    "72e925761803f458d9daaa67f8e31c630fb74e6a312ef8a25aba11afc0d7949243f94f9c1fab35d9" +
    "fd1e331fcf7811a2e01d3587b38d770a29e20200000073c18ab8549110f8e90e71bbc3ab2aa8c44d" +
    "13f4929499255b660f24ec77800b974bdd65567fdeeccdafe457a9503b4548f66ed3b188dcfda0ac" +
    "382b09711acc",
);

export const SEGMENTS_V1: readonly CapturedSegment[] = [
  {
    offsetBytes: 0,
    lengthBytes: 99710,
    hashOfData: hex("d8d976354a4872e925761803f458d9daaa67f8e31c630fb74e6a312ef8a25aba"),
    secret: hex("11afc0d7949243f94f9c1fab35d9fd1e331fcf7811a2e01d3587b38d770a29e2"),
    id: hex("491b217dbee2b5f12ca79b015e06f4bbe64f9745bad7867aef17de59927edce9"),
    blockHashes: [
      hex("73c18ab8549110f8e90e71bbc3ab2aa8c44d13f4929499255b660f24ec77800b"),
      hex("974bdd65567fdeeccdafe457a9503b4548f66ed3b188dcfda0ac382b09711acc"),
    ],
  },
];

export const CAPTURED_V2: Uint8Array = hex(
  "000204000000000000000000000000000000000000000000000000000000000000000088000099de" +
    "e0d0c358e2684b62330d32b5f1978724a0d0a52bdc5e781fae71ff57a8be3dd458037ed404116bb6" +
    "16d9b14116088520c47cdc50abcea3fae188a98ea22df3c00000eba03381d0d0cb74f4b613d8210f" +
    "37f002a06f3910586096a130d34398c08e66d7bcb8b6eb7783e4f807647b63f146b52f4ac89ccc7a" +
    "bf5fa11acafc2acf5028586c",
);

export const SEGMENTS_V2: readonly CapturedSegment[] = [
  {
    offsetBytes: 0,
    lengthBytes: 39390,
    hashOfData: hex("e0d0c358e2684b62330d32b5f1978724a0d0a52bdc5e781fae71ff57a8be3dd4"),
    secret: hex("58037ed404116bb616d9b14116088520c47cdc50abcea3fae188a98ea22df3c0"),
    id: hex("3371bbeaddb62353adcef970a06fdf65001e0421f4c7108276b0c37a9f9ec10f"),
    blockHashes: [hex("e0d0c358e2684b62330d32b5f1978724a0d0a52bdc5e781fae71ff57a8be3dd4")],
  },
  {
    offsetBytes: 39390,
    lengthBytes: 60320,
    hashOfData: hex("3381d0d0cb74f4b613d8210f37f002a06f3910586096a130d34398c08e66d7bc"),
    secret: hex("b8b6eb7783e4f807647b63f146b52f4ac89ccc7abf5fa11acafc2acf5028586c"),
    id: hex("d7e924425e8f4f88f01dc6a9bb1bc37be113ec7917c745d4965c2b55fa163a6e"),
    blockHashes: [hex("3381d0d0cb74f4b613d8210f37f002a06f3910586096a130d34398c08e66d7bc")],
  },
];

/** Samples of MS-PCCRD, section 4: what is said in Base64, and the bytes that it stands for. */
export const DISCOVERY_SAMPLES: Readonly<
  Record<
    "probeOneId" | "probeTwoIds" | "matchFortyComplete" | "segmentAges",
    { readonly base64: string; readonly bytes: Uint8Array }
  >
> = {
  probeOneId: {
    base64: "ACABKQEaAQAAAAAwHRoBAAAAAEEAQQBEAHkAZwBNAE0AMQA=",
    bytes: hex("00200129011a0100000000301d1a0100000000410041004400790067004d004d003100"),
  },
  probeTwoIds: {
    base64:
      "ACACI74aAQAAAAAwHRoBAAAAAEEAQQBEAHkAZwBNAE0AMQAjvhoBAAAAADAdGgEAAAAAQQBBAEQAeQBnAE0ATQAxAA==",
    bytes: hex(
      "00200223be1a0100000000301d1a0100000000410041004400790067004d004d00310023be1a0100" +
        "000000301d1a0100000000410041004400790067004d004d003100",
    ),
  },
  matchFortyComplete: {
    base64: "/////////////w==",
    bytes: hex("ffffffffffffffffffff"),
  },
  segmentAges: {
    base64: "AAEDAgBg6gACYOoA",
    bytes: hex("000103020060ea000260ea00"),
  },
};

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error(`not hexadecimal: ${text}`);
  return bytes;
}
