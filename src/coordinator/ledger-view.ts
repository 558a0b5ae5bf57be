import type { ContentId } from "../base/ids.ts";
import { NO_OFFICE } from "../topology/limits.ts";
import type { OfficeType } from "../topology/office.ts";
import type { Parts } from "./commands.ts";
import { add, type ContentRow, type LedgerRow } from "./state.ts";
import { lineBusy } from "./views.ts";

/** An office may take in so much of its bound before the ledger raises an alarm (row D3). */
export const ALARM_COPIES = 1.05;

/** What has come into an office of a content, against what should have. Bytes are of pieces. */
export type LedgerStanding = LedgerRow & {
  readonly content: ContentRow;
  readonly type: OfficeType;
  readonly parent?: string;
  /** What may come in: one copy; for an office that does not share, one for each device. */
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

/** The ledger of all contents, or of one; contents in the order of publication. */
export function ledgerOf(
  { publications, rollout, roster }: Pick<Parts, "publications" | "rollout" | "roster">,
  contentId?: ContentId,
): readonly LedgerStanding[] {
  const positions = new Map(roster.offices.specs().map(({ name }, index) => [name, index]));
  const position = ({ office }: LedgerRow): number => positions.get(office) ?? positions.size;
  return publications
    .contents()
    .filter((content) => contentId === undefined || content.contentId === contentId)
    .flatMap((content) => {
      const rows = rollout.ledger.rows(content.contentId);
      if (rows.length === 0) return [];
      const holders = new Map<string, number>();
      for (const [office, tally] of rollout.tallies.of(content.contentId)) {
        const path = roster.offices.path(office);
        for (const { name } of path) holders.set(name, (holders.get(name) ?? 0) + tally.holders);
      }
      const claimants = rollout
        .claimants(content.contentId)
        .filter(({ deviceId }) => roster.isPresent(deviceId));
      // The first counts, as elsewhere, where several say that they fetch for an office.
      const rvps = new Map(claimants.toReversed().map((progress) => [progress.office, progress]));
      return [...rows]
        .sort((a, b) => position(a) - position(b))
        .map((row) => {
          const office = roster.offices.get(row.office);
          const given = { office, holders: holders.get(row.office) ?? 0 };
          return { ...standing(row, content, given), ...lineBusy(rvps.get(row.office)) };
        });
    });
}

function standing(
  row: LedgerRow,
  content: ContentRow,
  given: {
    readonly office: { readonly type: OfficeType; readonly parent?: string } | undefined;
    readonly holders: number;
  },
): LedgerStanding {
  const { office, holders } = given;
  const { sizeBytes } = content;
  // An office that is in no topology any more is judged as one that shares.
  const type = office?.type ?? "default";
  const alone = type === "vpn" || row.office === NO_OFFICE;
  const boundBytes = alone ? sizeBytes * row.devices : sizeBytes;
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
