import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { writeSecretFile } from "../runtime/identity/secret-file.ts";
import { OperatorError } from "../runtime/operator-error.ts";

/** What a device learnt when it enrolled, beside its identity. */
export type EnrolmentRecord = {
  readonly deviceId: string;
  /** What the machine was called then; unknown to devices that enrolled with the first version. */
  readonly machineId?: string;
  readonly organisation: string;
  readonly serverHost: string;
  /** The publishers whose contents the device accepts: names, and Ed25519 keys in hexadecimal. */
  readonly publishers: readonly { readonly name: string; readonly key: string }[];
};

const RECORD = Type.Object({
  deviceId: Type.String({ pattern: "^[0-9a-f]{32}$" }),
  machineId: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  organisation: Type.String({ minLength: 1 }),
  serverHost: Type.String({ minLength: 1 }),
  publishers: Type.Array(
    Type.Object({ name: Type.String(), key: Type.String({ pattern: "^[0-9a-f]{64}$" }) }),
  ),
});

/** Where an agent keeps what is its own. */
export type AgentFiles = {
  readonly identity: string;
  readonly enrolment: string;
  readonly store: string;
  readonly controlSocket: string;
};

/** The files of the agent with this data folder. */
export function agentFiles(data: string): AgentFiles {
  return {
    identity: join(data, "identity.pem"),
    enrolment: join(data, "enrolment.json"),
    store: join(data, "store"),
    controlSocket: join(data, "control.sock"),
  };
}

/** Keeps what the device learnt when it enrolled. */
export async function saveEnrolment(path: string, record: EnrolmentRecord): Promise<void> {
  await writeSecretFile(path, `${JSON.stringify(record, undefined, 2)}\n`);
}

/**
 * Reads what {@link saveEnrolment} wrote.
 *
 * @throws OperatorError `not-enrolled`, `enrolment-damaged`.
 */
export async function loadEnrolment(path: string): Promise<EnrolmentRecord> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new OperatorError(
      "not-enrolled",
      `This device is not enrolled (${path} cannot be read): run "branchline agent enrol" first.`,
      { cause },
    );
  }
  const record = parse(text);
  if (record !== undefined) return record;
  throw new OperatorError(
    "enrolment-damaged",
    `${path} is damaged: enrol this device again with "branchline agent enrol".`,
  );
}

function parse(text: string): EnrolmentRecord | undefined {
  try {
    const record: unknown = JSON.parse(text);
    return Value.Check(RECORD, record) ? record : undefined;
  } catch {
    return undefined;
  }
}
