import { main } from "./main.ts";

/** What a command has written, and how it ended. */
export type Outcome = {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs a command as a user does whose home is `home`, and keeps what it writes. */
export async function runIn(home: string, words: readonly string[]): Promise<Outcome> {
  const written = { stdout: "", stderr: "" };
  const into = (stream: keyof typeof written) => ({
    write: (text: string) => {
      written[stream] += text;
    },
  });
  const exitCode = await main(words, {
    stdout: into("stdout"),
    stderr: into("stderr"),
    environment: { HOME: home },
  });
  return { exitCode, ...written };
}
