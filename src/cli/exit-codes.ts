/** What the exit code of `branchline` says. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  /** 128 and the number of SIGINT, as shells have it. */
  interrupted: 130,
} as const;

/** The exit codes as the help explains them. */
export const EXIT_HELP = `
Exit codes:
  0    done
  1    failed; standard error says why and how to mend it
  2    the command line or a setting is wrong
  3    there is no such thing (content, deployment, office)
  130  interrupted`;

/** The exit code for an error with this `code`. */
export function exitCodeFor(code: string): number {
  if (code === "interrupted") return EXIT.interrupted;
  if (/^(usage|settings)-/.test(code)) return EXIT.usage;
  return /(^|-)(not-found|unknown)$/.test(code) ? EXIT.notFound : EXIT.failed;
}
