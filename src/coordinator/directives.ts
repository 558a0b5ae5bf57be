import type { Directive, Priority, Scope } from "./state.ts";

/** Most that operators may have said of parts of one deployment. */
export const DIRECTIVES_MAX = 4_096;

/** What operators have said of a deployment, as far as it concerns one device. */
export type Said = {
  readonly paused?: Directive;
  readonly cancelled?: Directive;
  readonly priority?: Priority;
  readonly attempt: number;
};

/** Where a device is: its office and those above. */
export type Place = { readonly deviceId: string; readonly offices: ReadonlySet<string> };

/** What concerns a device. Of two words about the same the later one counts, whatever its scope. */
export function saidOf(directives: readonly Directive[], place: Place): Said {
  let said: Said = { attempt: 0 };
  for (const directive of directives) {
    if (!concerns(directive, place)) continue;
    switch (directive.kind) {
      case "pause":
        said = { ...said, paused: directive };
        break;
      case "resume": {
        const { paused: _, ...rest } = said;
        said = rest;
        break;
      }
      case "cancel":
        said = { ...said, cancelled: directive };
        break;
      case "priority":
        said = { ...said, priority: directive.priority };
        break;
      case "retry":
        said = { ...said, attempt: Math.max(said.attempt, directive.attempt) };
        break;
    }
  }
  return said;
}

/** Whether a scope holds a device. */
export function concerns({ office, deviceId }: Scope, place: Place): boolean {
  if (deviceId !== undefined) return deviceId === place.deviceId;
  return office === undefined || place.offices.has(office);
}

/** Adds a word, without those that it makes meaningless. */
export function withDirective(
  directives: readonly Directive[],
  added: Directive,
): readonly Directive[] {
  const isWhole = added.office === undefined && added.deviceId === undefined;
  const kept = directives.filter((one) => {
    if (aspectOf(one) !== aspectOf(added)) return true;
    const sameScope = one.office === added.office && one.deviceId === added.deviceId;
    return !isWhole && !sameScope;
  });
  // Nothing is paused or more urgent by itself.
  if (isWhole && added.kind === "resume") return kept;
  return [...kept, added];
}

function aspectOf({ kind }: Directive): string {
  return kind === "resume" ? "pause" : kind;
}

/** Whom a word is about, for people. */
export function scopeText({ office, deviceId }: Scope): string {
  if (deviceId !== undefined) return `device ${deviceId}`;
  return office === undefined ? "the deployment" : `office "${office}"`;
}
