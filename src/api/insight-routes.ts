import { Type } from "typebox";
import { ContentIdPrefix, DeviceIdText } from "./common.ts";
import {
  DeviceExplanation,
  DistributionBy,
  DistributionSums,
  DistributionView,
  StatisticsBy,
  StatisticsSums,
  StatisticsView,
} from "./insight-schemas.ts";
import { listQuery, PAGE_FIELDS } from "./list.ts";
import { exact, route } from "./route.ts";

/** What went where, from whom, and why. */
export const INSIGHT_ROUTES = {
  explainContent: route({
    method: "GET",
    path: "/api/v1/devices/:deviceId/explanations/:contentId",
    summary: "Asks a device from whom each piece of a content came, and why.",
    params: exact({ deviceId: DeviceIdText, contentId: ContentIdPrefix }),
    query: exact({
      from: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 0xff_ff_ff_ff,
          description: "The piece to begin with: `nextPiece` of the answer before.",
        }),
      ),
    }),
    status: 200,
    response: DeviceExplanation,
  }),
  showDistribution: route({
    method: "GET",
    path: "/api/v1/distribution",
    summary: "How contents stand by location, by type, by content or by device, with sums.",
    query: listQuery(
      {
        by: DistributionBy,
        office: Type.String({ maxLength: 256, description: "An office with all below it." }),
        type: Type.String({ maxLength: 256, description: "A content type." }),
        content: ContentIdPrefix,
        device: DeviceIdText,
      },
      ["entry", "wanted", "waiting", "failed"],
    ),
    status: 200,
    response: exact({
      entries: Type.Array(DistributionView),
      sums: DistributionSums,
      ...PAGE_FIELDS,
    }),
  }),
  showStatistics: route({
    method: "GET",
    path: "/api/v1/statistics",
    summary: "Where the bytes of contents came from, and what they would have cost without peers.",
    query: listQuery(
      {
        by: StatisticsBy,
        name: Type.String({ maxLength: 256, description: "The name of an application." }),
        content: ContentIdPrefix,
        office: Type.String({ maxLength: 256, description: "An office with all below it." }),
        device: DeviceIdText,
      },
      ["entry", "saved", "line", "served"],
    ),
    status: 200,
    response: exact({ entries: Type.Array(StatisticsView), sums: StatisticsSums, ...PAGE_FIELDS }),
  }),
} as const;
