import { request as httpRequest } from "node:http";
import type {
  ControlProblem,
  ControlRequest,
  ControlResponse,
  ControlRoute,
} from "./control-route.ts";
import { OperatorError } from "./operator-error.ts";

/** Speaks to a running program over its control socket. */
export type ControlClient = {
  /**
   * Asks for an operation and waits for its answer.
   *
   * @throws OperatorError with the program's own code and sentence where it refuses; `not-running`,
   * `control-not-permitted` or `control-broken` where it cannot be asked.
   */
  call<R extends ControlRoute>(
    route: R,
    input?: Partial<ControlRequest<R>>,
  ): Promise<ControlResponse<R>>;
};

/** Most bytes of an answer; beyond it something else than our program is answering. */
const RESPONSE_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Makes a client of the program that listens on a control socket.
 *
 * @param startCommand - The command that starts the program, for the sentence that says so.
 */
export function createControlClient(
  socketPath: string,
  startCommand = "branchline server run (or: branchline agent run)",
): ControlClient {
  return {
    call: async (route, input) => {
      const target = targetOf(route, input?.params ?? {});
      const body = input?.body === undefined ? undefined : JSON.stringify(input.body);
      const answer = await exchange(socketPath, startCommand, {
        method: route.method,
        target,
        body,
      });
      if (answer.status !== route.status) throw refusalOf(answer);
      // The program speaks the version of the API that we do: they are installed together.
      return parse(answer) as ControlResponse<typeof route>;
    },
  };
}

type Question = {
  readonly method: string;
  readonly target: string;
  readonly body: string | undefined;
};

type Reply = { readonly status: number; readonly text: string };

function targetOf(route: ControlRoute, params: object): string {
  const values = new Map<string, unknown>(Object.entries(params));
  return route.path.replace(/:([A-Za-z]+)/g, (_, name: string) =>
    encodeURIComponent(String(values.get(name) ?? "")),
  );
}

function exchange(socketPath: string, startCommand: string, question: Question): Promise<Reply> {
  const { method, target, body } = question;
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(connectionError(socketPath, startCommand, cause));
    const headers = {
      accept: "application/json, application/problem+json",
      ...(body === undefined
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
    const asked = httpRequest({ socketPath, path: target, method, headers }, (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on("data", (part: Buffer) => {
        bytes += part.length;
        parts.push(part);
        if (bytes > RESPONSE_BYTES_MAX) response.destroy(new Error("the answer is too long"));
      });
      response.on("error", fail);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") });
      });
    });
    asked.on("error", fail);
    asked.end(body);
  });
}

function connectionError(socketPath: string, startCommand: string, cause: Error): OperatorError {
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

function refusalOf(reply: Reply): OperatorError {
  const problem = parse(reply) as Partial<ControlProblem>;
  const { code = "control-broken", detail = `The program answered ${reply.status}.` } = problem;
  return new OperatorError(code, detail);
}

function parse(reply: Reply): unknown {
  try {
    const value: unknown = JSON.parse(reply.text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Not JSON at all, which is the same to us as JSON of another shape.
  }
  const sentence = `The program answered ${reply.status} with something that is no JSON object.`;
  throw new OperatorError("control-broken", sentence);
}
