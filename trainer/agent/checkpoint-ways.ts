import { stat } from "node:fs/promises";
import type { CheckpointId } from "../../shared/identity.ts";
import { Failure } from "../failure.ts";
import { isTooLarge } from "./persistence.ts";

/** What Cloudflare takes in one request on most plans, in bytes: above it, parts are tried first. */
const USUAL_REQUEST_BYTES = 100_000_000;

/** Uploads a checkpoint and notes it as made by the job. */
type Send = (path: string) => Promise<CheckpointId>;

/** Sends checkpoints in one request or in parts, as the deployment takes them. */
export class CheckpointWays {
  readonly #whole: Send;
  readonly #inParts: Send;
  /** Bytes of the smallest checkpoint that was too large for one request. */
  #tooLarge = Number.POSITIVE_INFINITY;

  /** @param ways `inParts` throws a Failure where parts are not taken */
  constructor({ whole, inParts }: { readonly whole: Send; readonly inParts: Send }) {
    this.#whole = whole;
    this.#inParts = inParts;
  }

  /** @throws what the ways throw; where neither will do, what parts are refused for */
  async send(path: string): Promise<CheckpointId> {
    const { size } = await stat(path);
    if (size >= this.#tooLarge) return this.#inParts(path);
    if (size <= USUAL_REQUEST_BYTES) return this.#sendWhole(path, size, () => this.#inParts(path));
    try {
      return await this.#inParts(path);
    } catch (error) {
      // The token may not be one for parts, and this deployment may take more at once than most.
      if (!(error instanceof Failure) || (error.kind !== "refused" && error.kind !== "usage")) throw error;
      return this.#sendWhole(path, size, () => Promise.reject(error));
    }
  }

  async #sendWhole(path: string, size: number, otherwise: () => Promise<CheckpointId>): Promise<CheckpointId> {
    try {
      return await this.#whole(path);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      this.#tooLarge = Math.min(this.#tooLarge, size);
      return otherwise();
    }
  }
}
