import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import * as productConstants from "../src/base/constants.ts";
import { createProgram } from "../src/cli/program.ts";
import * as chunker from "../src/content/chunker.ts";
import * as manifestCodec from "../src/content/manifest-codec.ts";
import * as pathRules from "../src/content/path-rules.ts";
import * as accusations from "../src/coordinator/accusations.ts";
import * as clones from "../src/coordinator/clones.ts";
import * as directories from "../src/coordinator/directories.ts";
import * as manifestRequests from "../src/coordinator/manifest-requests.ts";
import * as policies from "../src/coordinator/policies.ts";
import * as publications from "../src/coordinator/publications.ts";
import * as questions from "../src/coordinator/questions.ts";
import * as reportPace from "../src/coordinator/report-pace.ts";
import { CHANNELS, DEVICE_PORTS, SERVER_PORTS } from "../src/effects/channels.ts";
import * as crypto from "../src/effects/crypto.ts";
import * as core from "../src/peer/core.ts";
import * as discovered from "../src/peer/discovered.ts";
import * as peerDiscovery from "../src/peer/discovery.ts";
import * as manifests from "../src/peer/manifests.ts";
import * as offers from "../src/peer/offers.ts";
import * as officeView from "../src/peer/office-view.ts";
import * as origins from "../src/peer/origins.ts";
import * as rechecks from "../src/peer/rechecks.ts";
import * as peerSources from "../src/peer/sources.ts";
import * as trust from "../src/peer/trust.ts";
import * as uploads from "../src/peer/uploads.ts";
import * as authority from "../src/runtime/identity/authority.ts";
import * as election from "../src/topology/election.ts";
import * as succession from "../src/topology/succession.ts";
import { CLOSE_CODES } from "../src/transport/close-codes.ts";
import * as transport from "../src/transport/constants.ts";
import { GRACE_AWAY_S, REFUSAL_CLOSE_CODES } from "../src/transport/judge-peer.ts";
import * as cbor from "../src/wire/cbor.ts";
import * as datagram from "../src/wire/datagram.ts";
import * as discovery from "../src/wire/discovery.ts";
import * as frames from "../src/wire/frames.ts";
import * as messages from "../src/wire/messages.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const protocol = read("docs/protocol.md");
const rules = [protocol, read("docs/branchcache.md")].flatMap((page) =>
  [...page.matchAll(/^\*\*([A-Z]{2}\d+)\*\* /gm)].map(([, rule = ""]) => rule),
);
const tests = [...filesIn("src"), ...filesIn("test")].filter((file) =>
  /\.(test|contract)\.ts$/.test(file),
);
const sources = filesIn("src").filter(
  (file) => file.endsWith(".ts") && !/\.(test|contract)\.ts$/.test(file),
);

describe("the protocol's rules", () => {
  test("have numbers that are given once, and without gaps in each section", () => {
    const sections = Map.groupBy(rules, (rule) => rule.slice(0, 2));

    for (const [section, numbered] of sections) {
      const wanted = Array.from(numbered, (_, index) => `${section}${index + 1}`);
      expect(numbered).toEqual(wanted);
    }
  });

  test("exist wherever a test or a page cites one", () => {
    const prefixes = new Set(rules.map((rule) => rule.slice(0, 2)));
    const pages = filesIn("docs").filter((file) => file.endsWith(".md"));

    const unknown = [...tests, ...pages].flatMap((file) =>
      [...read(file).matchAll(/\b([A-Z]{2})\d+\b/g)]
        .filter(([rule, prefix = ""]) => prefixes.has(prefix) && !rules.includes(rule))
        .map(([rule]) => `${file} cites ${rule}`),
    );

    expect(unknown).toEqual([]);
  });

  test("have the numbers that the code has", () => {
    const code = new Map(
      MODULES.flatMap((module) => Object.entries<unknown>(module)).map(([name, value]) => [
        name,
        value,
      ]),
    );

    for (const [, name = "", value = ""] of rows(protocol, "## Numbers")) {
      expect({ name, value: numberOf(value) }).toEqual({ name, value: code.get(name) });
    }
  });

  test("name every channel with its ports", () => {
    const documented = rows(protocol, "**CH1**").map(([number, name = "", device, server]) => ({
      [name]: [Number(number), device && Number(device), server && Number(server)],
    }));

    const inCode = Object.entries(CHANNELS).map(([name, number]) => ({
      [name]: [
        number,
        DEVICE_PORTS[name as keyof typeof CHANNELS] ?? "",
        SERVER_PORTS[name as keyof typeof CHANNELS] ?? "",
      ],
    }));
    expect(documented).toEqual(inCode);
  });

  test("name every reason to close with its code", () => {
    const pairs = (section: string) =>
      rows(protocol, section).map(([code, name]) => [name, Number(code)]);

    expect(pairs("**CH6**")).toEqual(Object.entries(CLOSE_CODES));
    const refusals = Object.entries(REFUSAL_CLOSE_CODES).toSorted(([, a], [, b]) => a - b);
    expect(pairs("**CH7**")).toEqual(refusals);
  });

  test("name every kind of message with its number", () => {
    const documented = rows(protocol, "**MS6**").map(([number, name]) => [name, Number(number)]);

    const source = read("src/wire/messages.ts");
    const inCode = [...source.matchAll(/^ {2}"?([a-z-]+)"?: kind\((\d+),/gm)].map(
      ([, name, number]) => [name, Number(number)],
    );
    expect(inCode.length).toBeGreaterThan(10);
    expect(documented).toEqual(inCode);
  });
});

describe("the table of errors", () => {
  const documented = [...read("docs/errors.md").matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(
    ([, code = ""]) => code,
  );

  test("has every code that a program can give", () => {
    const given = new Set([
      ...sources.flatMap((file) => codesIn(read(file))),
      ...Object.keys(CLOSE_CODES),
      ...Object.keys(REFUSAL_CLOSE_CODES),
    ]);

    expect(given.size).toBeGreaterThan(80);
    expect([...given].filter((code) => !documented.includes(code)).toSorted()).toEqual([]);
  });

  test("has no code that the programs do not have, and none twice", () => {
    const texts = sources.map(read);
    const unused = documented.filter(
      (code) => !texts.some((text) => text.includes(`"${code}"`) || text.includes(`  ${code}: `)),
    );

    expect(unused).toEqual([]);
    expect(documented.toSorted()).toEqual([...new Set(documented)].toSorted());
  });
});

describe("what the pages tell people to type", () => {
  const pages = ["README.md", "CONTRIBUTING.md", ...filesIn("docs")].filter((file) =>
    file.endsWith(".md"),
  );
  const lines = pages.flatMap((file) => commandsOf(file).map((line) => ({ file, line })));
  const scripts = Object.keys(JSON.parse(read("package.json")).scripts);

  test("names npm scripts that are there", () => {
    const asked = lines.flatMap(({ file, line }) =>
      [...line.matchAll(/\bnpm (run )?([a-z-]+)/g)]
        .filter(([, run, word = ""]) => run !== undefined || !NPM_COMMANDS.has(word))
        .map(([, , script = ""]) => ({ file, script })),
    );

    expect(asked.length).toBeGreaterThan(2);
    expect(asked.filter(({ script }) => !scripts.includes(script))).toEqual([]);
  });

  test("names commands and options of branchline that are there", () => {
    const asked = lines.filter(({ line }) => /^(npx --no )?branchline /.test(line));

    expect(asked.length).toBeGreaterThan(5);
    for (const { line } of asked) expect({ line, unknown: unknownWords(line) }).toEqual({ line });
  });
});

test("every link between the pages leads somewhere", () => {
  const pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...filesIn("docs")];

  const broken = pages
    .filter((file) => file.endsWith(".md"))
    .flatMap((file) =>
      [...read(file).matchAll(/\]\((?!https?:)([^)#]+)?(#[^)]+)?\)/g)]
        .filter(([, path = ""]) => !existsSync(resolve(ROOT, dirname(file), path)))
        .map(([link]) => `${file}: ${link}`),
    );

  expect(broken).toEqual([]);
});

test("the change log's newest entry is the version of the package and the product", () => {
  const [, newest] = /^## (\S+)/m.exec(read("CHANGELOG.md")) ?? [];

  expect(JSON.parse(read("package.json")).version).toBe(newest);
  expect(productConstants.PRODUCT_VERSION).toBe(newest);
});

/** Where the constants are that the protocol's table of numbers names. */
const MODULES: readonly Readonly<Record<string, unknown>>[] = [
  accusations,
  clones,
  manifestRequests,
  policies,
  reportPace,
  offers,
  uploads,
  trust,
  rechecks,
  origins,
  manifests,
  productConstants,
  chunker,
  manifestCodec,
  pathRules,
  directories,
  publications,
  questions,
  crypto,
  authority,
  election,
  succession,
  peerSources,
  officeView,
  transport,
  { GRACE_AWAY_S },
  cbor,
  datagram,
  discovery,
  discovered,
  peerDiscovery,
  frames,
  messages,
  // Behind `publications`, which has another limit of the same name.
  core,
];

/** What npm itself understands, so that no script of ours is meant. */
const NPM_COMMANDS: ReadonlySet<string> = new Set(["ci", "install"]);

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

/** The rows of the first table behind `heading`, without its head; cells without back quotes. */
function rows(page: string, heading: string): readonly (readonly string[])[] {
  const lines = page.slice(page.indexOf(heading)).split("\n");
  const start = lines.findIndex((line) => line.startsWith("|"));
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  const found = lines.slice(start + 2, end);
  expect(found.length).toBeGreaterThan(0);
  return found.map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

/** A value of the table of numbers: times in microseconds, everything else as it stands. */
function numberOf(text: string): number {
  const [, digits = "", unit] = /^([\d,]+)(?: (ms|s))?$/.exec(text) ?? [];
  const factor = { ms: 1_000, s: 1_000_000 }[unit ?? ""] ?? 1;
  return Number(digits.replaceAll(",", "")) * factor;
}

/**
 * The codes that a source gives to people: of errors, of refusals and of findings, in all forms in
 * which our code writes them.
 */
function codesIn(source: string): readonly string[] {
  const forms = [
    /new OperatorError\(\s*"([a-z0-9-]+)"/g,
    /new RequestRefused\(\s*\d+,\s*"([a-z0-9-]+)"/g,
    /\b(?:refused|error|say|problem)\(\s*(?:\d+,|status,)?\s*"([a-z]+(?:-[a-z]+)+)"/g,
    /\breadText\([a-zA-Z]+, "([a-z-]+)"/g,
    /\bcode: "([a-z0-9-]+)"/g,
    // What the system says, and what we call it.
    /^ {2}E[A-Z]+: \[\s*"([a-z-]+)"/gm,
    /\bcode = [^;=]*? \? "([a-z-]+)"/g,
    /\bcode = [^;=]*? : "([a-z-]+)"/g,
    /\bcode = "([a-z]+(?:-[a-z]+)+)"/g,
  ];
  const unions = [...source.matchAll(/\b(?:code:|RefusalCode =)((?:\s*\|?\s*"[a-z-]+")+)/g)];
  return [
    ...forms.flatMap((form) => [...source.matchAll(form)].map(([, code = ""]) => code)),
    ...unions.flatMap(([, words = ""]) => words.match(/[a-z-]+/g) ?? []),
  ];
}

/** The lines of a page's shell blocks, with those that a backslash continues joined. */
function commandsOf(file: string): readonly string[] {
  return [...read(file).matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block = ""]) =>
    block
      .replace(/\\\n\s*/g, "")
      .split("\n")
      .flatMap((line) => line.split(/ && | & ?/))
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#")),
  );
}

/** The first word of a command line that `branchline` does not know; `undefined` where none is. */
function unknownWords(line: string): string | undefined {
  const words = line.replace(/^(npx --no )?branchline /, "").split(/\s+/);
  let command: Command = createProgram(HOST);
  for (const word of words) {
    const below = command.commands.find((one) => one.name() === word);
    if (below === undefined) break;
    command = below;
  }
  if (command.commands.length > 0) return words[0];
  const known = command.options.map(({ long }) => long ?? "");
  return words.find((word) => word.startsWith("--") && !known.includes(word));
}

const SILENT = { write: () => {} };
const HOST: Parameters<typeof createProgram>[0] = {
  io: { stdout: SILENT, stderr: SILENT, environment: {} },
  onResult: () => {},
  onUsageError: () => {},
};
