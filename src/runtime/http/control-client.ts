import { request } from "node:http";
import { OperatorError } from "../operator-error.ts";
import { type ApiClient, createClient, endWith } from "./client.ts";

/**
 * Makes a client of the program that listens on a control socket.
 *
 * @param startCommand - The command that starts the program, for the sentence that says so.
 */
export function createControlClient(
  socketPath: string,
  startCommand = "branchline server run (or: branchline agent run)",
): ApiClient {
  const failure = (cause: Error) => failureOf(socketPath, startCommand, cause);
  return createClient({
    send: (options, body) =>
      new Promise((resolve, reject) => {
        const asked = request({ ...options, socketPath }, resolve);
        asked.on("error", (cause) => reject(failure(cause)));
        endWith(asked, body);
      }),
    failure,
  });
}

function failureOf(socketPath: string, startCommand: string, cause: Error): OperatorError {
  const code = "code" in cause ? String(cause.code) : cause.message;
  if (code === "ENOENT" || code === "ECONNREFUSED") {
    const sentence = `Nothing runs at ${socketPath}: start it with ${startCommand}.`;
    return new OperatorError("not-running", sentence, { cause });
  }
  if (code === "EACCES" || code === "EPERM") {
    const mend = "run this command as the account that runs the program, or as root";
    const sentence = `You may not use ${socketPath}: ${mend}.`;
    return new OperatorError("control-not-permitted", sentence, { cause });
  }
  const sentence = `The program at ${socketPath} broke off (${code}): look at its log.`;
  return new OperatorError("control-broken", sentence, { cause });
}
