import fc from "fast-check";
import { expect, test } from "vitest";
import type { ContentId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";
import type { ContentState } from "../wire/messages.ts";
import { ledgerOf } from "./ledger-view.ts";
import { emptyState } from "./state.ts";
import { CONTENT, type Member, OFFICES, progress, World } from "./test-world.ts";

const STATES = ["waiting", "downloading", "checking", "complete", "failed"] as const;

/** Everything that may change what tallies say. */
const step = fc.oneof(
  fc.record({
    do: fc.constant("report" as const),
    who: fc.nat(4),
    state: fc.constantFrom<ContentState>(...STATES),
    bytes: fc.oneof(fc.nat(1_000), fc.constant(Number.MAX_SAFE_INTEGER)),
    rvp: fc.boolean(),
  }),
  fc.record({ do: fc.constant("move" as const), who: fc.nat(4), to: fc.nat(3) }),
  fc.record({ do: fc.constant("join" as const), at: fc.nat(3) }),
  fc.record({ do: fc.constant("deploy" as const), office: fc.nat(3) }),
  fc.record({ do: fc.constant("cancel" as const), office: fc.nat(3) }),
  fc.record({ do: fc.constant("group" as const), who: fc.nat(4), add: fc.boolean() }),
  fc.record({ do: fc.constant("offices" as const), fewer: fc.boolean() }),
  fc.record({ do: fc.constant("clone" as const), who: fc.nat(4) }),
);

test("C2: tallies that were kept right step by step are those that are made anew", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const world = new World(emptyState(7));
      world.command({ kind: "replace-offices", offices: OFFICES });
      const members = ["10.0.0.5", "10.1.0.5", "10.1.0.6"].map((host) => world.join(host));
      world.publish(members[0] as Member);
      world.command({ kind: "change-group", name: "some", create: true, add: [] });
      world.deploy({ groups: ["some"] });
      look(world);
      for (const one of steps) {
        take(world, members, one);
        // A server that is started anew with what is durable counts everything from nothing.
        const anew = new World(world.state);
        expect(look(world)).toEqual(look(anew));
      }
    }),
    { numRuns: 60 },
  );
});

/** Everything that is told from tallies. */
function look({ coordinator }: World) {
  const { parts } = coordinator;
  const tallies = [...parts.rollout.tallies.of(CONTENT)].filter(([, tally]) =>
    Object.values(tally).some((value) => value !== 0),
  );
  return {
    tallies: new Map(tallies),
    reached: coordinator
      .deploymentRows()
      .map(({ deploymentId }) => ({ ...parts.rollout.reach.of(deploymentId) })),
    holders: new Map([...parts.rollout.holderCounts.of(CONTENT)].filter(([, count]) => count > 0)),
    ledger: ledgerOf(parts, CONTENT as ContentId),
  };
}

function take(
  world: World,
  members: Member[],
  one: typeof step extends fc.Arbitrary<infer T> ? T : never,
) {
  const office = (at: number) => OFFICES[at % OFFICES.length]?.name ?? "";
  const host = (at: number) => `10.${at % 4}.0.${10 + members.length}`;
  const at = "who" in one ? one.who % members.length : 0;
  const member = members[at] as Member;
  switch (one.do) {
    case "report": {
      const { state, rvp, bytes: wanInBytes } = one;
      world.say(member, progress(CONTENT, { state, rvp, wanInBytes, cacheInBytes: wanInBytes }));
      break;
    }
    case "move": {
      const message = { hosts: [host(one.to)], hostName: `pc-${one.to}` };
      const association = world.connect(member.deviceId, host(one.to), message);
      members[at] = { ...member, association };
      break;
    }
    case "join":
      members.push(world.join(host(one.at)));
      break;
    case "deploy":
      world.command({
        ...{ kind: "deploy", contentId: CONTENT, priority: "medium" },
        targets: { officeTrees: [office(one.office)] },
      });
      break;
    case "cancel":
      world.command({
        ...{ kind: "steer", contentId: CONTENT, office: office(one.office) },
        order: { kind: "cancel" },
      });
      break;
    case "group": {
      const change = { [one.add ? "add" : "remove"]: [member.deviceId] };
      world.command({ kind: "change-group", name: "some", ...change });
      break;
    }
    case "offices":
      world.command({ kind: "replace-offices", offices: OFFICES.slice(0, one.fewer ? 2 : 3) });
      break;
    case "clone": {
      // Another machine with the same identity: both lose it.
      const { deviceId } = member;
      world.connect(deviceId, "10.2.0.77", { machineId: "another" });
      break;
    }
  }
  world.runUntil(world.nowUs + SECOND);
}
