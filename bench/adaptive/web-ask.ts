// Asks a web server again and again, with a pause between: web-ask.ts ADDRESS PORT PAUSE_MS. At the
// end of standard input it writes how long each request took, in milliseconds.

import { get } from "node:http";

const [host = "", port = "", pauseMs = ""] = process.argv.slice(2);
const tookMs: number[] = [];

process.stdin.resume().on("end", () => {
  process.stdout.write(`${JSON.stringify(tookMs)}\n`, () => process.exit());
});
ask();

function ask(): void {
  const startedMs = performance.now();
  get({ host, port: Number(port), agent: false }, (response) => {
    response.resume().on("end", () => {
      tookMs.push(performance.now() - startedMs);
      setTimeout(ask, Number(pauseMs));
    });
  });
}
