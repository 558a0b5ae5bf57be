import type { Answer, RefusalCode } from "../../coordinator/contract.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import type { ContentRow } from "../../coordinator/state.ts";
import type { DeviceStanding } from "../../coordinator/views.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import { NO_OFFICE } from "../../topology/limits.ts";

/** The HTTP status of each refusal of the coordinator. */
const STATUS: Readonly<Record<RefusalCode, number>> = {
  "bad-topology": 422,
  "content-unknown": 404,
  "content-ambiguous": 409,
  "no-targets": 422,
  "office-unknown": 422,
  "device-unknown": 422,
  "too-many-deployments": 409,
  "deployment-unknown": 404,
  "deployment-over": 409,
  "bad-scope": 422,
  "too-many-directives": 409,
  "bad-condition": 422,
  "bad-window": 422,
  "bad-time-span": 422,
  "group-unknown": 404,
  "group-exists": 409,
  "group-in-use": 409,
  "group-too-large": 422,
  "too-many-groups": 409,
  "bad-group-name": 422,
  "origin-malformed": 422,
  "origin-duplicate": 409,
  "origin-unknown": 404,
  "too-many-origins": 409,
  "profile-unknown": 404,
  "profile-exists": 409,
  "profile-in-use": 409,
  "bad-profile-name": 422,
  "bad-profile-value": 422,
  "hosted-cache-missing": 422,
  "too-many-profiles": 409,
  "too-many-targets": 422,
  "storage-not-configured": 409,
};

/** What is thrown where the coordinator did not do what it was told. */
export function refusal(answer: Answer): RequestRefused {
  if (answer.kind !== "refused") {
    return new RequestRefused(500, "internal-error", "The coordinator answered something else.");
  }
  const findings = answer.findings.length === 0 ? {} : { findings: answer.findings };
  return new RequestRefused(STATUS[answer.code], answer.code, answer.reason, findings);
}

/**
 * The content whose id begins with these digits.
 *
 * @throws RequestRefused `content-unknown` or `content-ambiguous`.
 */
export function contentOf(coordinator: Coordinator, prefix: string): ContentRow {
  const [content, ...others] = coordinator.findContents(prefix);
  if (content === undefined) {
    const detail = `No content has an id that begins with ${prefix}: list them to see which do.`;
    throw new RequestRefused(404, "content-unknown", detail);
  }
  if (others.length > 0) {
    const detail = `More than one content id begins with ${prefix}: give more digits.`;
    throw new RequestRefused(409, "content-ambiguous", detail);
  }
  return content;
}

/** An enrolled device. @throws RequestRefused `device-unknown`. */
export function deviceOf(coordinator: Coordinator, deviceId: string): DeviceStanding {
  const device = coordinator.device(deviceId);
  if (device !== undefined) return device;
  const detail = `No device ${deviceId} is enrolled: check its id.`;
  throw new RequestRefused(404, "device-unknown", detail);
}

/** Checks that there is such an office. @throws RequestRefused `office-unknown`. */
export function checkOffice(coordinator: Coordinator, name: string): void {
  const known = name === NO_OFFICE || coordinator.offices().some((office) => office.name === name);
  if (known) return;
  const detail = `There is no office "${name}": see branchline topology show.`;
  throw new RequestRefused(422, "office-unknown", detail);
}

/** What is answered to those who want something of the database while it does not answer. */
export function databaseAway(): RequestRefused {
  const detail =
    "The server's database does not answer, so nothing can be changed: bring it up; the server " +
    "goes on by itself then.";
  return new RequestRefused(503, "database-away", detail);
}
