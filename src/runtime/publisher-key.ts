import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { type FileHandle, open, readFile, rm } from "node:fs/promises";
import { basename } from "node:path";
import { OperatorError } from "./operator-error.ts";

/** A publisher as devices know it. */
export type Publisher = {
  readonly name: string;
  /** The Ed25519 public key, 32 bytes. */
  readonly key: Uint8Array;
};

/** A publisher with its secret, which stays inside. */
export type PublisherKey = Publisher & {
  /** The Ed25519 signature (RFC 8032) of `message`, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;

  /** SHA-256, so that this is all that signing a manifest takes. */
  sha256(bytes: Uint8Array): Uint8Array;
};

/** What checking a signed manifest takes. */
export const manifestCrypto: {
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  readonly verify: typeof verifySignature;
} = { sha256, verify: verifySignature };

/**
 * Makes a publisher's key pair: `PATH.key` (secret: PEM, PKCS #8, readable by its owner only) and
 * `PATH.publisher` (what devices are given). The last part of the path is the publisher's name.
 *
 * @throws OperatorError `publisher-name`, `publisher-exists`, `publisher-unwritable`.
 */
export async function newPublisherKey(path: string): Promise<Publisher> {
  const name = basename(path);
  if (!NAME.test(name)) {
    throw new OperatorError(
      "publisher-name",
      `${JSON.stringify(name)} cannot be a publisher's name. Use letters, digits, dots, dashes ` +
        "and underscores, 64 at most.",
    );
  }
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const publisher: Publisher = { name, key: rawKey(publicKey) };
  const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  await writeNew(`${path}.key`, pem, 0o600);
  try {
    await writeNew(`${path}.publisher`, publisherText(publisher), 0o644);
  } catch (error) {
    await rm(`${path}.key`, { force: true });
    throw error;
  }
  return publisher;
}

/**
 * Reads a publisher's secret key.
 *
 * @param file - The `.key` file, with or without that ending.
 * @throws OperatorError `publisher-key-missing`, `publisher-key-damaged`.
 */
export async function loadPublisherKey(file: string): Promise<PublisherKey> {
  const path = file.endsWith(".key") ? file : `${file}.key`;
  const pem = await readText(path, "publisher-key-missing");
  const key = privateKeyOf(pem, path);
  return {
    name: basename(path, ".key"),
    key: rawKey(createPublicKey(key)),
    sign: (message) => new Uint8Array(sign(null, message, key)),
    sha256,
  };
}

/**
 * Reads a publisher as devices are given it.
 *
 * @throws OperatorError `publisher-missing`, `publisher-damaged`.
 */
export async function loadPublisher(file: string): Promise<Publisher> {
  const text = await readText(file, "publisher-missing");
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const [name = "", base64 = "", ...more] = (lines[0] ?? "").trim().split(/\s+/);
  const key = new Uint8Array(Buffer.from(base64, "base64"));
  const whole = lines.length === 1 && more.length === 0 && NAME.test(name);
  if (!whole || key.length !== KEY_BYTES || Buffer.from(key).toString("base64") !== base64) {
    throw new OperatorError(
      "publisher-damaged",
      `${file} is no publisher file. It must hold one line with a name and a key, as ` +
        "`branchline publisher key new` writes it: get it from the publisher again.",
    );
  }
  return { name, key };
}

/** Whether `signature` is the Ed25519 signature of `message` by the owner of `publicKey`. */
export function verifySignature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKey.length !== KEY_BYTES) return false;
  const x = Buffer.from(publicKey).toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  return verify(null, message, key, signature);
}

/** Length of an Ed25519 public key, in bytes. */
const KEY_BYTES = 32;

const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,63}$/u;

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash("sha256", bytes, "buffer"));
}

function publisherText({ name, key }: Publisher): string {
  return (
    "# A Branchline publisher. Devices that are given this file run what its owner signs.\n" +
    `${name} ${Buffer.from(key).toString("base64")}\n`
  );
}

function rawKey(key: KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url"));
}

function privateKeyOf(pem: string, path: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw damagedKey(path, error);
  }
  if (key.asymmetricKeyType !== "ed25519") throw damagedKey(path, undefined);
  return key;
}

function damagedKey(path: string, cause: unknown): OperatorError {
  return new OperatorError(
    "publisher-key-damaged",
    `${path} is no Ed25519 private key in PEM. Bring it back from a backup, or make a new one ` +
      "with `branchline publisher key new` and give its .publisher file to the devices.",
    { cause },
  );
}

async function readText(path: string, code: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new OperatorError(
      code,
      `${path} cannot be read (${errorCode(error)}). Check the path and its permissions.`,
      { cause: error },
    );
  }
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "wx", mode);
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    if (file !== undefined) await rm(path, { force: true });
    throw writeError(path, error);
  } finally {
    await file?.close();
  }
}

function writeError(path: string, error: unknown): OperatorError {
  if (errorCode(error) === "EEXIST") {
    return new OperatorError(
      "publisher-exists",
      `${path} is there already and is never overwritten: what it signed could not be updated ` +
        "any more. Choose another name, or move the file away.",
      { cause: error },
    );
  }
  return new OperatorError(
    "publisher-unwritable",
    `${path} cannot be written (${errorCode(error)}). Check that its folder exists, that you may ` +
      "write there, and that the disk is not full.",
    { cause: error },
  );
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
