import { Type } from "typebox";
import { ContentIdPrefix, DeviceIdText } from "./common.ts";
import { DeviceExplanation } from "./insight-schemas.ts";
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
} as const;
