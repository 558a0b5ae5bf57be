import { once } from "node:events";

/** Where a command writes to and what surrounds it; the process itself, or a test. */
export type Io = {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** A stream that is written to, and whether a person watches it. */
export type Output = {
  write(text: string): unknown;
  /** Resolves once what was written has been taken, after `write` gave `false`. */
  drained?(): Promise<unknown>;
  readonly isTTY?: boolean;
  readonly columns?: number;
};

/** The process's own streams and environment. */
export function processIo(): Io {
  for (const stream of [process.stdout, process.stderr]) {
    // Whoever read the output has had enough (`| head`), which is no error of ours.
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  return { stdout: outputTo(process.stdout), stderr: process.stderr, environment: process.env };
}

function outputTo(stream: NodeJS.WriteStream): Output {
  return {
    write: (text) => stream.write(text),
    drained: async () => {
      if (stream.writableNeedDrain && !stream.destroyed) {
        await Promise.race([once(stream, "drain"), once(stream, "close")]);
      }
    },
    get isTTY() {
      return stream.isTTY;
    },
    get columns() {
      return stream.columns;
    },
  };
}
