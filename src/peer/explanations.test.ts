import fc from "fast-check";
import { expect, test } from "vitest";
import { CoreBench } from "../../test/simulation/fixtures/peer-core.ts";
import { Story } from "./explanations.ts";

test("a story that is kept and taken up again tells the same, of any number of sources", () => {
  const { manifest, held } = content(50);
  const ask = fc.tuple(fc.nat(49), fc.nat(400), fc.nat(400));
  fc.assert(
    fc.property(fc.array(ask, { maxLength: 600 }), (asks) => {
      const story = new Story(50);
      for (const [piece, device, reason] of asks) {
        story.onAsked(piece, { kind: "office-device", deviceId: `${device}` }, `reason ${reason}`);
      }
      const again = new Story(50);
      again.restore(story.encode());

      const { ranges } = story.explain(manifest, held);
      const known = ranges.filter(({ source }) => source.kind !== "unknown");
      const restored = again.explain(manifest, held).ranges;
      expect(restored.filter(({ source }) => source.kind !== "unknown")).toEqual(known);
    }),
    { numRuns: 50 },
  );
});

test("what was kept and does not fit has no effect", () => {
  const { manifest, held } = content(3);
  const other = new Story(4);
  other.onAsked(1, { kind: "origin", location: "https://cdn.example" }, "why");

  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const story = new Story(3);
      story.restore(bytes);
      story.restore(other.encode());
      expect(story.explain(manifest, held).ranges.map(({ source }) => source.kind)).toEqual([
        "unknown",
      ]);
    }),
  );
});

function content(pieces: number) {
  const { known } = new CoreBench().content(1, { pieces, pieceBytes: 10 });
  if (known === undefined) throw new Error("the content is known");
  return known;
}
