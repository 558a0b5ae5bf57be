import type { PieceSourceView } from "../../api/agent-schemas.ts";
import type { DeviceExplanation, ReportedView } from "../../api/insight-schemas.ts";
import type { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { Answer } from "../../coordinator/contract.ts";
import { type ProgressRow, totalOf } from "../../coordinator/state.ts";
import { plainText } from "../../coordinator/text.ts";
import { protocolOf } from "../../peer/source-protocol.ts";
import type { HttpHandlers } from "../../runtime/http/route.ts";
import type { ExplanationPart, PieceSource } from "../../wire/messages.ts";
import type { ServerApi } from "./handlers.ts";
import { contentOf, deviceOf } from "./refusals.ts";

type Told = Pick<
  DeviceExplanation,
  "answer" | "why" | "pieces" | "ranges" | "totals" | "nextPiece"
>;

const NOTHING_TOLD = { pieces: 0, ranges: [], totals: [] };

/** Asks a device why the pieces of a content came from where they came. */
export function explanationHandler({
  coordinator,
  ask,
}: Pick<ServerApi, "coordinator" | "ask">): Pick<
  HttpHandlers<typeof SERVER_ROUTES>,
  "explainContent"
> {
  return {
    explainContent: async ({ params, query }) => {
      const { deviceId, hostName } = deviceOf(coordinator, params.deviceId);
      const { contentId, name, version } = contentOf(coordinator, params.contentId);
      const answer = await ask({ deviceId, contentId, firstPiece: query.from ?? 0 });
      const row = coordinator.progress(contentId, deviceId);
      return {
        ...{ deviceId, hostName, contentId, name, version },
        ...toldOf(answer),
        ...(row === undefined ? {} : { reported: reportedView(row) }),
      };
    },
  };
}

function toldOf(answer: Answer): Told {
  if (answer.kind === "unexplained") {
    return { answer: answer.why, why: WHY[answer.why], ...NOTHING_TOLD };
  }
  if (answer.kind !== "explained") throw new Error("a question was answered with something else");
  const { part } = answer;
  if (part.pieces === 0) return { answer: "nothing", why: WHY.nothing, ...NOTHING_TOLD };
  return { answer: "told", why: "", ...explained(part) };
}

const WHY = {
  away:
    "The server does not hear from the device: ask again when it is back. What it last reported " +
    "is all that is known until then.",
  silent: "The device did not answer within five seconds: ask again, or look at its log.",
  busy: "Too many ask devices at this moment: ask again in a few seconds.",
  nothing: "The device knows nothing of the content: no deployment brings it there, or not yet.",
} as const;

/** What a device says is its word: places that lead nowhere are left out, texts are made plain. */
function explained({ pieces, sources, reasons, ranges, totals, nextPiece }: ExplanationPart) {
  const plainSources = sources.map(sourceView);
  const plainReasons = reasons.map((reason) => plainText(reason, 512));
  return {
    pieces,
    ranges: ranges.flatMap(({ first, last, source: at, reason: why }) => {
      const [source, reason] = [plainSources[at], plainReasons[why]];
      const fits = source !== undefined && reason !== undefined && first <= last && last < pieces;
      return fits ? [{ first, last, source, reason }] : [];
    }),
    totals: totals.flatMap(({ source: at, ...counts }) => {
      const source = plainSources[at];
      return source === undefined ? [] : [{ source, ...counts }];
    }),
    // One that does not lead on would have its asker go round in circles.
    ...(nextPiece === undefined || nextPiece >= pieces ? {} : { nextPiece }),
  };
}

function sourceView(source: PieceSource): PieceSourceView {
  const { kind, ...places } = source;
  const plain = Object.entries(places).map(([name, place]) => [name, plainText(place, 1_024)]);
  return { kind, ...Object.fromEntries(plain), protocol: protocolOf(source) };
}

function reportedView(row: ProgressRow): ReportedView {
  const { state, pieces, piecesHeld, heldBytes, office, problem, updatedAtMs } = row;
  const { wanInBytes, lanInBytes, originInBytes, cacheInBytes, hostedInBytes } = totalOf(row);
  return {
    ...{ state, pieces, piecesHeld, heldBytes, wanInBytes, lanInBytes, originInBytes },
    ...{ cacheInBytes, hostedInBytes },
    ...{ office, problem, reportedAtMs: updatedAtMs },
  };
}
