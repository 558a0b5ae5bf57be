import type { DistributionSums, DistributionView } from "../../api/insight-schemas.ts";
import type { QueryOf } from "../../api/route.ts";
import type { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import {
  devicesInScope,
  distributionByOffice,
  distributionOfContent,
  distributionOfDevice,
} from "../../coordinator/distribution.ts";
import type { ContentRow } from "../../coordinator/state.ts";
import { addTallies, NO_TALLY, type Tally } from "../../coordinator/tallies.ts";
import type { HttpHandlers } from "../../runtime/http/route.ts";
import type { ServerApi } from "./handlers.ts";
import { selectPage } from "./paging.ts";
import { checkOffice, contentOf, deviceOf } from "./refusals.ts";

type Handlers = HttpHandlers<typeof SERVER_ROUTES>;

type Query = QueryOf<(typeof SERVER_ROUTES)["showDistribution"]>;

/** How contents stand, by location and by type (row C2). */
export function insightHandlers({
  coordinator,
}: Pick<ServerApi, "coordinator">): Pick<Handlers, "showDistribution"> {
  return { showDistribution: ({ query }) => listDistribution(coordinator, query) };
}

/** One entry, whose counts are made when they are asked for. */
type Entry = {
  readonly id: string;
  readonly place: string | number;
  readonly fields: Omit<DistributionView, keyof DistributionSums>;
  readonly tally: () => Tally;
};

function listDistribution(coordinator: Coordinator, query: Query) {
  if (query.office !== undefined) checkOffice(coordinator, query.office);
  if (query.device !== undefined) deviceOf(coordinator, query.device);
  const contents = contentsOf(coordinator, query);
  const { entries, ...page } = selectPage<Entry, "entry" | "wanted" | "waiting" | "failed">(
    {
      entries: entriesOf(coordinator, query, contents),
      matches: () => true,
      sorts: {
        entry: ({ place }) => place,
        wanted: ({ tally }) => tally().wanted,
        waiting: ({ tally }) => waitingOf(tally()),
        failed: ({ tally }) => tally().failed,
      },
      id: ({ id }) => id,
      order: "entry",
    },
    query,
  );
  const { parts } = coordinator;
  const scope = scopeOf(query);
  const sums = contents
    .map((content) => distributionOfContent(parts, scope, content))
    .reduce(addTallies, NO_TALLY);
  return {
    entries: entries.map(({ fields, tally }) => ({ ...fields, ...countsOf(tally()) })),
    sums: countsOf(sums),
    ...page,
  };
}

/** The contents that are asked about, in the order of their publication. */
function contentsOf(coordinator: Coordinator, { type, content }: Query): readonly ContentRow[] {
  const wanted = content === undefined ? undefined : contentOf(coordinator, content).contentId;
  return coordinator
    .contents()
    .filter((one) => type === undefined || one.type === type)
    .filter(({ contentId }) => wanted === undefined || contentId === wanted)
    .toReversed();
}

function scopeOf({ office, device }: Query) {
  return {
    ...(office === undefined ? {} : { office }),
    ...(device === undefined ? {} : { deviceId: device }),
  };
}

function entriesOf(
  { parts }: Coordinator,
  query: Query,
  contents: readonly ContentRow[],
): readonly Entry[] {
  const scope = scopeOf(query);
  const tallyOf = (content: ContentRow) => distributionOfContent(parts, scope, content);
  // Of one device there is nothing to roll up.
  switch (query.by ?? (query.device === undefined ? "office" : "content")) {
    case "office":
      return distributionByOffice(parts, { ...scope, contents }).map(
        ({ tally, ...fields }, place) => ({
          ...{ id: fields.office, place, fields },
          tally: () => tally,
        }),
      );
    case "type":
      return [...Map.groupBy(contents, ({ type }) => type)].map(([type, some]) => {
        const tally = some.map(tallyOf).reduce(addTallies, NO_TALLY);
        const fields = { type, contents: some.length };
        return { id: type, place: type, fields, tally: () => tally };
      });
    case "content":
      return contents.map((content, place) => {
        const { contentId, name, version, type } = content;
        const tally = tallyOf(content);
        return {
          id: contentId,
          place,
          fields: { contentId, name, version, type },
          tally: () => tally,
        };
      });
    case "device":
      return [...devicesInScope(parts, scope)].map((device) => {
        const { deviceId, hostName, office } = device;
        const present = parts.roster.isPresent(deviceId);
        let tally: Tally | undefined;
        return {
          ...{ id: deviceId, place: hostName, fields: { deviceId, hostName, office, present } },
          tally: () => {
            tally ??= distributionOfDevice(parts, contents, device);
            return tally;
          },
        };
      });
  }
}

function waitingOf({ wanted, complete, fetching, failed }: Tally): number {
  return Math.max(0, wanted - complete - fetching - failed);
}

/** A tally as it is shown. */
function countsOf(tally: Tally): DistributionSums {
  const { wanted, complete, fetching, failed } = tally;
  const { cacheInBytes, lanInBytes, wanInBytes, hostedInBytes, originInBytes } = tally;
  return {
    ...{ wanted, complete, fetching, waiting: waitingOf(tally), failed },
    ...{ cacheInBytes, lanInBytes, wanInBytes, hostedInBytes, originInBytes },
    servedBytes: Math.min(Number.MAX_SAFE_INTEGER, tally.lanOutBytes + tally.wanOutBytes),
  };
}
