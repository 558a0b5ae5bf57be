import { tmpdir } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { GIB } from "../base/units.ts";
import { loadSettings } from "../runtime/settings.ts";
import type { Facts } from "../wire/messages.ts";
import { FactWatch, isServerRelease, readFacts } from "./facts.ts";
import { AGENT_SETTINGS } from "./settings.ts";

test.each([
  ['NAME="Fedora Linux"\nVARIANT="Server Edition"\nVARIANT_ID=server', true],
  ['NAME="Red Hat Enterprise Linux Server"\nID="rhel"', true],
  ['NAME="SLES"\nID="sles"', true],
  ["PRETTY_NAME='Example Server 1.0'", true],
  ['NAME="Fedora Linux"\nVARIANT_ID=workstation', false],
  ['PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian', false],
  ['NAME="Observer Linux"\nID=observer\nHOME_URL="https://server.example"', false],
  ["", false],
  ["rubbish\n=\n\0", false],
])("an operating system that says %j is for servers: %s", (release, server) => {
  expect(isServerRelease(release)).toBe(server);
});

test("a change of facts is told when elections may come out otherwise, and not before", async () => {
  const settings = loadSettings(AGENT_SETTINGS, { environment: {}, flags: { data: tmpdir() } });
  let usableBytes = 3 * GIB;
  let looks = 0;
  const sources = {
    settings,
    usableBytes: () => {
      looks += 1;
      return Promise.resolve(usableBytes);
    },
  };
  const known = await readFacts(sources);
  expect(known).toMatchObject({ usableBytes: 3 * GIB, preferred: false });
  const told: Facts[] = [];
  const next = Promise.withResolvers<void>();
  const watch = new FactWatch(sources, {
    known,
    everyMs: 1,
    onChange: (facts) => {
      told.push(facts);
      next.resolve();
    },
    onFault: (error) => next.reject(error),
  });
  onTestFinished(() => watch.close());

  usableBytes += 0.9 * GIB;
  for (const before = looks; looks < before + 5; ) await new Promise(setImmediate);
  expect(told).toEqual([]);

  usableBytes += 0.1 * GIB;
  await next.promise;
  expect(told).toMatchObject([{ usableBytes: 4 * GIB }]);
});
