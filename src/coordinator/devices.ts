import { PRODUCT_VERSION } from "../base/constants.ts";
import type { Accusation, Message, ProfileReport, Register } from "../wire/messages.ts";
import { PROFILE_KEYS, PROFILE_PROBLEM_LENGTH_MAX, type ProfileInForce } from "../wire/profile.ts";
import { REPORTERS_TO_SHUN } from "./accusations.ts";
import type { Parts } from "./commands.ts";
import { CLOSE_CODES, type CoordinatorOutbox } from "./contract.ts";
import type { Now, Session } from "./roster.ts";
import { plainText } from "./text.ts";
import { judgeVersion } from "./version-window.ts";

/**
 * Takes in what a device says of itself. One whose version does not fit is turned away, and one
 * whose identity another machine has too loses it.
 */
export function onRegister(
  parts: Parts,
  session: Session,
  said: Register,
  now: Now,
  outbox: CoordinatorOutbox,
): void {
  const { roster, rollout, policies, profileWords, clones } = parts;
  const device = roster.device(session.deviceId);
  if (device === undefined) return;
  if (judgeVersion(PRODUCT_VERSION, said.productVersion) !== "fits") {
    turnAway(parts, session, said.productVersion, now, outbox);
    return;
  }
  const plain = { ...said, machineId: plainText(said.machineId, 256) };
  if (clones.isClone(device, plain, now.nowUs)) {
    retire(parts, session, plain, now, outbox);
    return;
  }
  roster.register(session, said, now);
  rollout.tell(session, now, outbox);
  policies.registered(session, now.nowUs);
  profileWords.registered(session);
}

/** Takes in which values a device says are in force on it (PF3). */
export function onProfileReport(
  { profiles }: Parts,
  { deviceId, bootId }: Session,
  { values, problems }: ProfileReport,
  { nowUs, wallMs: atMs }: Now,
): void {
  // One that has not said who it is may be turned away yet.
  if (bootId === undefined) return;
  const plain = problems.map((text) => plainText(text, PROFILE_PROBLEM_LENGTH_MAX));
  profiles.onReport({ deviceId, values: plainValues(values), problems: plain, atMs }, nowUs);
}

/** Says to the holder of an identity that was taken back what it may do, and keeps it for that. */
export function refuseClone(
  { clones }: Parts,
  session: Pick<Session, "association" | "deviceId">,
  outbox: CoordinatorOutbox,
): void {
  const crowdedOut = clones.admit(session.association, session.deviceId);
  if (crowdedOut !== undefined) outbox.close(crowdedOut, CLOSE_CODES.replaced, CLONED.reason);
  outbox.send(session.association, CLONED);
}

/** Takes in what one device says against another (row B20). */
export function onAccusation(
  parts: Parts,
  session: Session,
  said: Accusation,
  now: Now,
  outbox: CoordinatorOutbox,
): void {
  const { roster, publications, accusations, policies } = parts;
  const { deviceId: reporter } = session;
  const { deviceId: accused, contentId, offence } = said;
  const [from, against] = [roster.device(reporter), roster.device(accused)];
  const unheard =
    reporter === accused || session.bootId === undefined || from?.shunnedAtMs !== undefined;
  if (unheard || against === undefined || against.retiredAtMs !== undefined) return;
  if (publications.content(contentId) === undefined) return;
  const row = { reporter, accused, contentId, offence, atMs: now.wallMs };
  if (!accusations.accuse(row, outbox)) return;
  outbox.note({ level: "warn", event: "device-accused", fields: { reporter, accused, offence } });
  if (against.shunnedAtMs !== undefined) return;
  if (accusations.credibleReporters(accused, now.wallMs) < REPORTERS_TO_SHUN) return;
  roster.shun(accused, now.wallMs);
  roster.save(outbox);
  policies.generalChanged();
  const reporters = accusations.against(accused).map((one) => one.reporter);
  const fields = { accused, reporters: reporters.join(" ") };
  outbox.note({ level: "warn", event: "device-shunned", fields });
}

/** Sends the manifest of a content to a device that is to have it. */
export function onManifestWanted(
  { roster, rollout, publications, manifests }: Parts,
  session: Session,
  { contentId }: Extract<Message, { kind: "manifest-wanted" }>,
  { nowUs, outbox }: { readonly nowUs: number; readonly outbox: CoordinatorOutbox },
): void {
  const device = roster.device(session.deviceId);
  const known = publications.content(contentId) !== undefined;
  if (device !== undefined && known && rollout.deployments.brings(contentId, device)) {
    manifests.ask(session.association, contentId, nowUs, outbox);
    return;
  }
  // Whether there is such a content is not for those to know who are not to have it.
  const reason = "No deployment brings this content to this device: deploy it there first.";
  outbox.send(session.association, { kind: "refused", code: "not-entitled", reason });
}

/** Values fit for tables: the texts in them are a device's own. */
function plainValues(values: ProfileInForce): ProfileInForce {
  const plain = PROFILE_KEYS.flatMap((key) => {
    const said = values[key];
    if (said === undefined) return [];
    const { value, profile } = said;
    const texts = Array.isArray(value) ? value.map((text: string) => plainText(text, 256)) : value;
    const set = profile === undefined ? {} : { profile: plainText(profile, 64) };
    return [[key, { value: texts, ...set }]];
  });
  return Object.fromEntries(plain) as ProfileInForce;
}

function turnAway(
  { roster }: Parts,
  session: Session,
  said: string,
  now: Now,
  outbox: CoordinatorOutbox,
): void {
  const { association, deviceId } = session;
  const theirs = plainText(said, 64);
  const old = judgeVersion(PRODUCT_VERSION, said) === "too-old";
  const mend = old ? "update the agent" : "update the server first, and agents after it";
  const reason = `The agent has version "${theirs}", the server ${PRODUCT_VERSION}: ${mend}.`;
  const code = old ? "version-too-old" : "version-too-new";
  outbox.send(association, { kind: "refused", code, reason });
  const close = old ? CLOSE_CODES.versionTooOld : CLOSE_CODES.versionTooNew;
  outbox.close(association, close, reason);
  roster.turnAway(session, said, now);
  const fields = { deviceId, code, version: theirs, server: PRODUCT_VERSION };
  outbox.note({ level: "warn", event: "version-refused", fields });
}

/** Both machines that have this identity lose it: neither can show that it is the first one. */
function retire(
  parts: Parts,
  session: Session,
  said: Register,
  now: Now,
  outbox: CoordinatorOutbox,
): void {
  const { roster, rollout, policies, profileWords, publications } = parts;
  const { deviceId, association, host } = session;
  const enrolledMachine = roster.device(deviceId)?.machineId ?? "";
  roster.retire(deviceId, now);
  roster.save(outbox);
  publications.forget(association);
  policies.forget(association);
  profileWords.forget(association);
  policies.membersChanged(now.nowUs);
  rollout.targetsChanged(now.nowUs);
  refuseClone(parts, { association, deviceId }, outbox);
  const hostName = plainText(said.hostName, 64);
  const fields = { deviceId, host, hostName, machineId: said.machineId, enrolledMachine };
  outbox.note({ level: "warn", event: "identity-cloned", fields });
}

const CLONED = {
  kind: "refused",
  code: "cloned",
  reason:
    "Two machines have the identity of this device, as copies of one disk have: each gets one of " +
    "its own.",
} as const;
