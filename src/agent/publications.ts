import type { ContentId } from "../base/ids.ts";
import type { PeerEvent } from "../peer/contract.ts";
import { OperatorError } from "../runtime/operator-error.ts";

/** How long the server may take to accept a manifest, in milliseconds. */
const WAIT_MS = 30_000;

/** Operators that wait until the server has what they published. */
export class Publications {
  readonly #waiting = new Map<
    ContentId,
    { readonly resolve: () => void; readonly reject: (error: Error) => void }
  >();

  /**
   * Resolves when the server has the content.
   *
   * @throws OperatorError the server's refusal, or `server-unreachable`.
   */
  async wait(contentId: ContentId): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.set(contentId, { resolve, reject });
    const timer = setTimeout(() => {
      reject(
        new OperatorError(
          "server-unreachable",
          "The server has not answered. The content is kept and will be brought to it as soon " +
            "as it can be reached: look at `branchline content list` later.",
        ),
      );
    }, WAIT_MS);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(contentId);
    }
  }

  onEvent(event: PeerEvent): void {
    if (event.kind === "content-published") this.#waiting.get(event.contentId)?.resolve();
    if (event.kind === "publication-refused") {
      const refused = new OperatorError(event.code, event.reason);
      this.#waiting.get(event.contentId)?.reject(refused);
    }
  }
}
