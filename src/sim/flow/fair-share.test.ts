import { describe, expect, test } from "vitest";
import { SECOND } from "../../base/units.ts";
import { FairShare, type Flow, Pipe } from "./fair-share.ts";

describe("flows share pipes", () => {
  test("one flow has the rate of its slowest pipe", () => {
    const { start, ends } = world();

    start("one", [new Pipe(1_000), new Pipe(100)], 200);

    expect(ends(10)).toEqual([["one", 2]]);
  });

  test("two flows have half a pipe each, and the one that is left has all of it", () => {
    const { start, ends } = world();
    const pipe = new Pipe(100);

    start("short", [pipe], 100);
    start("long", [pipe], 300);

    // 2 s for 100 bytes at 50; the long one has 200 left then, at 100.
    expect(ends(10)).toEqual([
      ["short", 2],
      ["long", 4],
    ]);
  });

  test("what one cannot use, because it is slower elsewhere, the others have", () => {
    const { start, ends } = world();
    const wide = new Pipe(100);

    start("slow", [wide, new Pipe(20)], 200);
    start("fast", [wide], 800);

    expect(ends(20)).toEqual([
      ["slow", 10],
      ["fast", 10],
    ]);
  });

  test("a flow that begins later slows down those that are there, from then on", () => {
    const { start, ends, runTo } = world();
    const pipe = new Pipe(100);

    start("first", [pipe], 300);
    runTo(2);
    start("second", [pipe], 100);

    expect(ends(10)).toEqual([
      ["first", 4],
      ["second", 4],
    ]);
  });

  test("a pipe whose rate changes carries on at the new one, and nothing while it is 0", () => {
    const { share, start, ends, runTo } = world();
    const pipe = new Pipe(100);

    start("one", [pipe], 300);
    runTo(1);
    pipe.rate = 0;
    share.changed(1 * SECOND, pipe);
    runTo(5);
    pipe.rate = 50;
    share.changed(5 * SECOND, pipe);

    expect(ends(20)).toEqual([["one", 9]]);
  });

  test("what was stopped is never done, and what it carried is counted", () => {
    const { share, start, ends, runTo } = world();
    const pipe = new Pipe(100);

    const flow = start("stopped", [pipe], 1_000);
    start("other", [pipe], 500);
    runTo(4);
    share.stop(4 * SECOND, flow);

    // At 50 for 4 s, then 300 more at 100.
    expect(ends(20)).toEqual([["other", 7]]);
    expect(pipe.carriedBytes).toBe(700);
  });

  test("no pipe ever carries more than its rate, whoever shares what", () => {
    const { share, start, runTo } = world();
    const pipes = [100, 70, 30, 250, 40, 90].map((rate) => new Pipe(rate));
    for (let flow = 0; flow < 40; flow += 1) {
      const own = [flow % 6, (flow * 5 + 1) % 6].map((index) => pipes[index]);
      start(
        `${flow}`,
        [...new Set(own)].filter((pipe) => pipe !== undefined),
        10 + 7 * flow,
      );
      runTo(flow / 2);
      for (const pipe of pipes) {
        const used = [...pipe.flows].reduce((sum, { rate }) => sum + rate, 0);
        // A level that has changed by less than a hundredth is not passed on.
        expect(used).toBeLessThanOrEqual(1.03 * pipe.rate);
      }
    }
    expect(share.due().atUs).toBeGreaterThan(0);
  });
});

function world() {
  const share = new FairShare();
  const done: [string, number][] = [];
  let nowUs = 0;
  const runTo = (seconds: number): void => {
    for (let atUs = share.due().atUs; atUs <= seconds * SECOND; atUs = share.due().atUs) {
      nowUs = atUs;
      share.step(nowUs);
    }
    nowUs = seconds * SECOND;
  };
  const start = (name: string, pipes: readonly Pipe[], bytes: number): Flow =>
    share.start(nowUs, { pipes, bytes }, (atUs) => {
      done.push([name, Math.round(atUs / SECOND)]);
    });
  const ends = (seconds: number): readonly [string, number][] => {
    runTo(seconds);
    return done;
  };
  return { share, start, ends, runTo };
}
