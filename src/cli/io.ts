/** Where a command writes to and what surrounds it; the process itself, or a test. */
export type Io = {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** A stream that is written to, and whether a person watches it. */
export type Output = {
  write(text: string): unknown;
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
  return { stdout: process.stdout, stderr: process.stderr, environment: process.env };
}
