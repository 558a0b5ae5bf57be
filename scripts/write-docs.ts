// Writes the pages of docs/ that are made from the code.
import { writeFileSync } from "node:fs";
import { settingsDocument } from "../src/cli/settings-document.ts";

writeFileSync(new URL("../docs/settings.md", import.meta.url), settingsDocument());
