import type { StatisticsSums, StatisticsView } from "../../api/insight-schemas.ts";
import type { QueryOf } from "../../api/route.ts";
import type { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import { devicesInScope } from "../../coordinator/distribution.ts";
import type { ContentRow, DeviceRow } from "../../coordinator/state.ts";
import {
  addStatistics,
  NO_STATISTICS,
  type Statistics,
  statisticsOfContent,
  statisticsOfDevice,
} from "../../coordinator/statistics.ts";
import type { HttpHandlers } from "../../runtime/http/route.ts";
import type { ServerApi } from "./handlers.ts";
import { selectPage } from "./paging.ts";
import { checkOffice, contentOf, deviceOf } from "./refusals.ts";

type Query = QueryOf<(typeof SERVER_ROUTES)["showStatistics"]>;

/** Where the bytes of each application and version came from (row A5). */
export function statisticsHandler({
  coordinator,
}: Pick<ServerApi, "coordinator">): Pick<HttpHandlers<typeof SERVER_ROUTES>, "showStatistics"> {
  return { showStatistics: ({ query }) => listStatistics(coordinator, query) };
}

/** One entry, whose figures are made when they are asked for. */
type Entry = {
  readonly id: string;
  readonly place: string | number;
  readonly fields: Omit<StatisticsView, keyof StatisticsSums>;
  readonly figures: () => Statistics;
};

function listStatistics(coordinator: Coordinator, query: Query) {
  if (query.office !== undefined) checkOffice(coordinator, query.office);
  const device = query.device === undefined ? undefined : deviceOf(coordinator, query.device);
  const contents = contentsOf(coordinator, query);
  const figuresOf = (content: ContentRow): Statistics =>
    device === undefined
      ? statisticsOfContent(coordinator.parts, query.office, content)
      : statisticsOfDevice(coordinator.parts, content, device);
  const { entries, ...page } = selectPage<Entry, "entry" | "saved" | "line" | "served">(
    {
      entries: entriesOf(coordinator, query, { contents, figuresOf }),
      matches: () => true,
      sorts: {
        entry: ({ place }) => place,
        saved: ({ figures }) => savedOf(figures()),
        line: ({ figures }) => figures().lineBytes,
        served: ({ figures }) => servedOf(figures()),
      },
      id: ({ id }) => id,
      order: "entry",
    },
    query,
  );
  return {
    entries: entries.map(({ fields, figures }) => ({ ...fields, ...figuresView(figures()) })),
    sums: figuresView(contents.map(figuresOf).reduce(addStatistics, NO_STATISTICS)),
    ...page,
  };
}

/** The contents that are asked about: by name, and of one name in the order of publication. */
function contentsOf(coordinator: Coordinator, { name, content }: Query): readonly ContentRow[] {
  const wanted = content === undefined ? undefined : contentOf(coordinator, content).contentId;
  return coordinator
    .contents()
    .toReversed()
    .filter((one) => name === undefined || one.name === name)
    .filter(({ contentId }) => wanted === undefined || contentId === wanted)
    .toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

function entriesOf(
  { parts }: Coordinator,
  { by = "content", office, device: deviceId }: Query,
  {
    contents,
    figuresOf,
  }: {
    readonly contents: readonly ContentRow[];
    readonly figuresOf: (content: ContentRow) => Statistics;
  },
): readonly Entry[] {
  switch (by) {
    case "content":
      return contents.map((content, place) => {
        const { contentId, name, version, sizeBytes } = content;
        const fields = { contentId, name, version, sizeBytes };
        return { id: contentId, place, fields, figures: once(() => figuresOf(content)) };
      });
    case "application":
      return [...Map.groupBy(contents, ({ name }) => name)].map(([name, some]) => {
        const figures = once(() => some.map(figuresOf).reduce(addStatistics, NO_STATISTICS));
        return { id: name, place: name, fields: { name, versions: some.length }, figures };
      });
    case "device": {
      const scope = {
        ...(office === undefined ? {} : { office }),
        ...(deviceId === undefined ? {} : { deviceId }),
      };
      const figuresOn = (device: DeviceRow) =>
        contents
          .map((content) => statisticsOfDevice(parts, content, device))
          .reduce(addStatistics, NO_STATISTICS);
      return [...devicesInScope(parts, scope)].map((device) => {
        const { hostName } = device;
        const fields = { deviceId: device.deviceId, hostName, office: device.office };
        const figures = once(() => figuresOn(device));
        return { id: device.deviceId, place: hostName, fields, figures };
      });
    }
  }
}

/** Makes a value when it is first asked for, and keeps it. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function savedOf({ unicastBytes, lineBytes }: Statistics): number {
  return Math.max(0, unicastBytes - lineBytes);
}

function servedOf({ lanOutBytes, wanOutBytes }: Statistics): number {
  return Math.min(Number.MAX_SAFE_INTEGER, lanOutBytes + wanOutBytes);
}

function figuresView(of: Statistics): StatisticsSums {
  const { holders, cacheInBytes, lanInBytes, wanInBytes, hostedInBytes, originInBytes } = of;
  const { unicastBytes, lineBytes } = of;
  const savedBytes = savedOf(of);
  return {
    ...{ holders, cacheInBytes, lanInBytes, wanInBytes },
    peerInBytes: Math.min(Number.MAX_SAFE_INTEGER, lanInBytes + wanInBytes),
    ...{ hostedInBytes, originInBytes, servedBytes: servedOf(of) },
    ...{ unicastBytes, lineBytes, savedBytes },
    savedPercent: unicastBytes === 0 ? 0 : Math.round((1_000 * savedBytes) / unicastBytes) / 10,
  };
}
