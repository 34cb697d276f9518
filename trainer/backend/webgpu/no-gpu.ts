import { Failure } from "../../failure.ts";

/** There is no adapter that counts. */
export class NoGpu extends Failure {
  /** Why, and what to do about it: a sentence without its beginning and full stop. */
  readonly reason: string;

  constructor(reason: string, cause?: unknown) {
    super("no-gpu", `There is no GPU to train on: ${reason}; or train on the CPU with --backend wasm.`, { cause });
    this.reason = reason;
  }
}
