import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The table of docs/architecture.md: what each folder under `src/` may import. */
const layers = readLayers();

test("every folder under src/ stands in the table, and nothing else does", () => {
  const folders = readdirSync(join(ROOT, "src"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

  expect([...layers.keys()].toSorted()).toEqual(folders.toSorted());
});

test("the table has no circle: a folder stands below all that it may import", () => {
  const above = new Set<string>();
  for (const [folder, { mayImport }] of layers) {
    expect({ folder, notAbove: mayImport.filter((name) => !above.has(name)) }).toEqual({
      folder,
      notAbove: [],
    });
    above.add(folder);
  }
});

test("sources are TypeScript, and no file has more than 500 lines", () => {
  const files = filesIn("src").filter((file) => !file.endsWith(`${sep}tsconfig.json`));
  expect(
    files.filter((file) => !file.endsWith(".ts") && file !== "src/tsconfig.tests.json"),
  ).toEqual([]);

  const long = [...files, ...filesIn("test")].filter(
    (file) => file.endsWith(".ts") && linesOf(file).length > 500,
  );
  expect(long).toEqual([]);
});

test("nothing writes to the console", () => {
  const writing = [...filesIn("src"), ...filesIn("test"), ...filesIn("scripts")]
    .filter((file) => file.endsWith(".ts"))
    .filter((file) => linesOf(file).some((line) => /^[^/*"'`]*\bconsole\.\w+\(/.test(line)));

  expect(writing).toEqual([]);
});

describe.each([...layers.keys()].map((folder) => ({ folder })))("$folder", ({ folder }) => {
  const layer = layers.get(folder) ?? { mayImport: [], outside: [] };
  const config = JSON.parse(read(`src/${folder}/tsconfig.json`));
  const sources = filesIn(`src/${folder}`).filter(
    // Tests and contracts may use what they need to try the folder.
    (file) => file.endsWith(".ts") && !/\.(test|contract)\.ts$/.test(file),
  );
  const imports = sources.flatMap((file) => importsOf(file).map((name) => ({ file, name })));

  test("has the references of its row, and the root project has it", () => {
    const references: { path: string }[] = config.references ?? [];
    const root: { path: string }[] = JSON.parse(read("tsconfig.json")).references;

    expect(references.map(({ path }) => path.replace("../", "")).toSorted()).toEqual(
      layer.mayImport.toSorted(),
    );
    expect(root.map(({ path }) => path)).toContain(`src/${folder}`);
  });

  test("imports no other folder than its row allows", () => {
    const allowed = new Set([folder, ...layer.mayImport]);

    const wrong = imports
      .filter(({ name }) => name.startsWith("."))
      .filter(({ file, name }) => !allowed.has(folderOf(file, name)));

    expect(wrong).toEqual([]);
  });

  test("imports nothing else from outside than its row allows", () => {
    const wrong = imports
      .filter(({ name }) => !name.startsWith("."))
      .filter(({ name }) => !layer.outside.includes(packageOf(name)));

    expect(wrong).toEqual([]);
  });

  test("imports everything from outside that its row names", () => {
    const used = new Set(imports.map(({ name }) => packageOf(name)));

    expect(layer.outside.filter((name) => !used.has(name))).toEqual([]);
  });

  test("knows the language alone, or Node as well where its row names it", () => {
    const node = layer.outside.includes("node");

    expect(config.compilerOptions.types).toEqual(node ? ["node"] : []);
    if (!node) expect(config.compilerOptions.lib).toEqual(["es2023"]);
  });
});

test("the folders that decide and do nothing import nothing from outside", () => {
  const pure = [...layers].filter(([, { outside }]) => outside.length === 0).map(([name]) => name);

  expect(pure).toEqual([
    "base",
    "effects",
    "wire",
    "content",
    "topology",
    "transport",
    "swarm",
    "peer",
    "coordinator",
    "branchcache",
    "sim",
  ]);
});

type Layer = {
  readonly mayImport: readonly string[];
  /** Names of packages; `node` for what comes with Node. */
  readonly outside: readonly string[];
};

function readLayers(): ReadonlyMap<string, Layer> {
  const rows = read("docs/architecture.md").matchAll(
    /^\| `([a-z-]+)\/` \| [^|]+ \| ([^|]*) \| ([^|]*) \|$/gm,
  );
  return new Map(
    [...rows].map(([, folder = "", mayImport = "", outside = ""]) => [
      folder,
      { mayImport: namesIn(mayImport), outside: namesIn(outside) },
    ]),
  );
}

function namesIn(cell: string): readonly string[] {
  return cell.split(/[\s,]+/).filter((name) => /[a-z]/.test(name));
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

function linesOf(file: string): readonly string[] {
  return read(file).trimEnd().split("\n");
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

/** Everything that a source imports, in whatever form, without what stands in comments. */
function importsOf(file: string): readonly string[] {
  const source = read(file).replace(/\/\*.*?\*\//gs, "");
  const forms = [
    /^(?:import|export)\s[^"'`;]*?\bfrom\s+["']([^"']+)["']/gm,
    /^import\s+["']([^"']+)["']/gm,
    /\bimport\(\s*["'`]([^"'`]+)["'`]/g,
    // A worker is loaded by its file.
    /\bnew URL\(\s*["']([^"']+\.ts)["']/g,
  ];
  return forms.flatMap((form) => [...source.matchAll(form)].map(([, name = ""]) => name));
}

/** The folder under `src/` that a relative import leads to; its whole path where it leads out. */
function folderOf(file: string, name: string): string {
  const path = relative(join(ROOT, "src"), resolve(ROOT, dirname(file), name));
  return path.startsWith("..") ? path : (path.split(sep)[0] ?? "");
}

/** The package that an import is from: `node` for `node:fs`, `@scope/name` for its parts. */
function packageOf(name: string): string {
  if (name.startsWith("node:")) return "node";
  return name
    .split("/")
    .slice(0, name.startsWith("@") ? 2 : 1)
    .join("/");
}
