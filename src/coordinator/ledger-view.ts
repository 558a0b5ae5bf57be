import type { ContentId } from "../base/ids.ts";
import { NO_OFFICE } from "../topology/limits.ts";
import type { OfficeType } from "../topology/office.ts";
import type { Parts } from "./commands.ts";
import { add, type ContentRow, type LedgerRow, type ProgressRow } from "./state.ts";
import { lineBusy } from "./views.ts";

/** An office may take in so much of its bound before the ledger raises an alarm (row D3). */
export const ALARM_COPIES = 1.05;

/** What has come into an office of a content, against what should have. Bytes are of pieces. */
export type LedgerStanding = LedgerRow & {
  readonly content: ContentRow;
  readonly type: OfficeType;
  readonly parent?: string;
  /**
   * What may come in: one copy, and one for each device that a profile has set apart; for an office
   * that does not share, one for each device.
   */
  readonly boundBytes: number;
  /** `wanBytes` over the size of the content. */
  readonly copies: number;
  /** How many devices of the office, and of those below it, have the content without its publisher. */
  readonly holders: number;
  /** What would have crossed the link besides, had every holder fetched a copy of its own. */
  readonly savedBytes: number;
  /** More has come in, over the link and from origins, than {@link ALARM_COPIES} of the bound. */
  readonly alarm: boolean;
  /** Since when transfers into the office have waited because others use its line; absent where not. */
  readonly lineBusySinceMs?: number;
};

/** What the ledger is read from. */
export type LedgerParts = Pick<Parts, "publications" | "rollout" | "roster" | "profiles">;

/** A row of the ledger, whose standing is worked out when it is asked for. */
export type LedgerEntry = {
  readonly content: ContentRow;
  readonly row: LedgerRow;
  readonly standing: () => LedgerStanding;
};

/** The ledger of all contents, or of one; contents in the order of publication. */
export function ledgerEntries(parts: LedgerParts, contentId?: ContentId): readonly LedgerEntry[] {
  const { publications, rollout, roster } = parts;
  const positions = new Map(roster.offices.specs().map(({ name }, index) => [name, index]));
  const position = ({ office }: LedgerRow): number => positions.get(office) ?? positions.size;
  return publications
    .contents()
    .filter((content) => contentId === undefined || content.contentId === contentId)
    .flatMap((content) => {
      const rows = rollout.ledger.rows(content.contentId);
      let known: ContentView | undefined;
      return rows
        .toSorted((a, b) => position(a) - position(b))
        .map((row) => ({
          content,
          row,
          standing: () => {
            known ??= contentView(parts, content);
            const office = roster.offices.get(row.office);
            const holders = known.holders.get(row.office) ?? 0;
            const given = { office, holders, apart: known.apart.get(row.office) ?? 0 };
            return { ...standing(row, content, given), ...lineBusy(known.rvps.get(row.office)) };
          },
        }));
    });
}

/** The same with all their standings. */
export function ledgerOf(parts: LedgerParts, contentId?: ContentId): readonly LedgerStanding[] {
  return ledgerEntries(parts, contentId).map((entry) => entry.standing());
}

/** How many devices of each office and of those below it have a content, its publisher not counted. */
export function holdersByOffice(
  { rollout, roster }: Pick<Parts, "rollout" | "roster">,
  contentId: ContentId,
): ReadonlyMap<string, number> {
  const holders = new Map<string, number>();
  for (const [office, count] of rollout.holderCounts.of(contentId)) {
    for (const name of roster.offices.upwards(office)) {
      holders.set(name, (holders.get(name) ?? 0) + count);
    }
  }
  return holders;
}

/** What the standings of a content's rows have in common. */
type ContentView = {
  readonly holders: ReadonlyMap<string, number>;
  readonly rvps: ReadonlyMap<string, ProgressRow>;
  /** How many devices of each office that have reported fetch for themselves alone (PF4). */
  readonly apart: ReadonlyMap<string, number>;
};

function contentView(parts: LedgerParts, { contentId }: ContentRow): ContentView {
  const claimants = parts.rollout
    .claimants(contentId)
    .filter(({ deviceId }) => parts.roster.isPresent(deviceId));
  return {
    holders: holdersByOffice(parts, contentId),
    // The first counts, as elsewhere, where several say that they fetch for an office.
    rvps: new Map(claimants.toReversed().map((progress) => [progress.office, progress])),
    apart: apartByOffice(parts, contentId),
  };
}

function apartByOffice(
  { profiles, rollout, roster }: LedgerParts,
  contentId: ContentId,
): ReadonlyMap<string, number> {
  const apart = new Map<string, number>();
  // Where no profile sets anybody apart nobody has to be looked at.
  if (!profiles.setsApart) return apart;
  for (const { deviceId, office } of rollout.progressOf(contentId).values()) {
    const device = roster.device(deviceId);
    if (device === undefined || profiles.takesPart(device)) continue;
    apart.set(office, (apart.get(office) ?? 0) + 1);
  }
  return apart;
}

function standing(
  row: LedgerRow,
  content: ContentRow,
  given: {
    readonly office: { readonly type: OfficeType; readonly parent?: string } | undefined;
    readonly holders: number;
    readonly apart: number;
  },
): LedgerStanding {
  const { office, holders, apart } = given;
  const { sizeBytes } = content;
  // An office that is in no topology any more is judged as one that shares.
  const type = office?.type ?? "default";
  const sharing = type !== "vpn" && row.office !== NO_OFFICE;
  const others = row.devices > apart || apart === 0 ? 1 : 0;
  const boundBytes = sizeBytes * (sharing ? others + apart : row.devices);
  const isCentral = office !== undefined && office.parent === undefined;
  return {
    ...row,
    content,
    type,
    ...(office?.parent === undefined ? {} : { parent: office.parent }),
    boundBytes,
    copies: sizeBytes === 0 ? 0 : row.wanBytes / sizeBytes,
    holders,
    // Nothing lies above the Central Office, so its devices would have crossed no link.
    savedBytes: isCentral ? 0 : Math.max(0, sizeBytes * holders - row.wanBytes),
    alarm: add(row.wanBytes, row.originBytes) > ALARM_COPIES * boundBytes,
  };
}
