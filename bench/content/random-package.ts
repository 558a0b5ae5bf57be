import { join } from "node:path";
import type { Distributed } from "../organisation/distribution.ts";
import type { Organisation } from "../organisation/organisation.ts";
import type { Stage } from "../stage.ts";
import { writeRandomFile } from "./random-file.ts";

/** Publishes a file of random bytes under a name of its own. */
export async function publishRandom(
  stage: Stage,
  organisation: Organisation,
  name: string,
): Promise<Distributed> {
  const path = join(stage.folder, `${name}.bin`);
  await writeRandomFile(path, stage.options.sizeBytes);
  const content = { path, name, version: "1" };
  const published = await organisation.publish(content);
  stage.say(`published ${name}: ${published.sizeBytes} bytes in ${published.pieces} pieces`);
  return { ...content, ...published };
}
