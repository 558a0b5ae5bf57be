import { expect, test } from "vitest";
import { isServerRelease } from "./facts.ts";

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
