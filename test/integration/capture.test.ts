import { createPrivateKey } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { agentFiles } from "../../src/agent/enrolment-file.ts";
import { Prng } from "../../src/base/prng.ts";
import { serverFiles } from "../../src/server/files.ts";
import { lackOfCapture, runsIn, sendInClear, startCapture } from "./support/capture.ts";
import { ORGANISATION, Organisation, type Published } from "./support/organisation.ts";
import { hashOfFile } from "./support/packages.ts";

const lack = lackOfCapture();
// The reason stands in the name, so that a skipped run says it.
const why = lack === undefined ? "" : ` (skipped: ${lack})`;

/** A run of so many bytes is no accident; some 80,000 of the package are looked for. */
const RUNS = { runBytes: 16, everyBytes: 101 };

const FILE_NAME = "quarterly-figures-of-the-treasurer.txt";
const CONTENT_NAME = "treasurers-workbench";
const SENTINEL = "The treasurer would rather that nobody read this.";

test.skipIf(lack !== undefined)(
  `neither a package nor its names nor any secret can be read from the traffic${why}`,
  async () => {
    const organisation = await Organisation.make({ central: 2, branch: 2 });
    const path = join(organisation.folder, FILE_NAME);
    const bytes = recognisable();
    await writeFile(path, bytes);
    const capture = await startCapture(organisation.subnets, join(organisation.folder, "lo.pcap"));

    await organisation.initialise();
    await organisation.bringUp();
    const published = await organisation.publish({ path, name: CONTENT_NAME, version: "2031.7" });
    await organisation.distributed(await organisation.deploy(published));
    const [from, to] = [organisation.server.address, organisation.agent("branch-1").address];
    const last = Buffer.concat([Buffer.from(SENTINEL), bytes.subarray(0, RUNS.runBytes)]);
    await sendInClear(from, to, last);
    const seen = await capture.stopAfter(last);

    // Each of the three others was sent the package.
    expect(seen.length).toBeGreaterThan(3 * bytes.length);
    const secrets = await secretsOf(organisation, published, path);
    expect(secrets.filter(([, secret]) => seen.includes(secret)).map(([what]) => what)).toEqual([]);
    // The one run that is found is the one that was sent in clear.
    expect(runsIn(seen, bytes, RUNS)).toEqual([0]);
  },
  120_000,
);

/** What must not be seen, and what it is. */
async function secretsOf(
  organisation: Organisation,
  { contentId }: Published,
  path: string,
): Promise<readonly (readonly [what: string, secret: Buffer])[]> {
  const hashes = { "content id": contentId, "hash of the file": await hashOfFile(path) };
  const { server, agents, securityKey } = organisation;
  const keyFiles = [
    serverFiles(server.data).authority,
    serverFiles(server.data).identity,
    ...agents.map(({ data }) => agentFiles(data).identity),
    join(organisation.folder, "it.key"),
  ];
  return [
    ["name of the file", Buffer.from(FILE_NAME)],
    ["name of the content", Buffer.from(CONTENT_NAME)],
    ["name of the organisation", Buffer.from(ORGANISATION)],
    ["security key", Buffer.from(securityKey)],
    ["security key without its dashes", Buffer.from(securityKey.replaceAll("-", ""))],
    ...Object.entries(hashes).flatMap(([what, hex]): [string, Buffer][] => [
      [what, Buffer.from(hex, "hex")],
      [`first bytes of the ${what}`, Buffer.from(hex, "hex").subarray(0, 8)],
      [`first digits of the ${what}`, Buffer.from(hex.slice(0, 16))],
    ]),
    ...(await Promise.all(
      keyFiles.map(async (file): Promise<[string, Buffer]> => [file, await privateBytes(file)]),
    )),
  ];
}

/** The secret number of a private key. */
async function privateBytes(file: string): Promise<Buffer> {
  const text = await readFile(file, "utf8");
  const pem = /-----BEGIN PRIVATE KEY-----[\s\S]*?-----END PRIVATE KEY-----/.exec(text)?.[0] ?? "";
  return Buffer.from(createPrivateKey(pem).export({ format: "jwk" }).d ?? "", "base64url");
}

/** Text that anybody would know again, and no two lines of which are the same. */
function recognisable(): Buffer {
  const prng = new Prng(31);
  const lines = Array.from({ length: 120_000 }, (_, index) => {
    const figure = `${prng.next()}${prng.next()}`.padStart(20, "0");
    return `Line ${index} of the treasurer's figures says ${figure}.\n`;
  });
  return Buffer.from(lines.join(""));
}
