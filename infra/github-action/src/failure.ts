import { ApiError } from "../../../shared/api/client/api-error.ts";

/** What the step exits with where no job of its own says it; as of the trainer (`trainer/failure.ts`) and of shells. */
export const EXIT_CODES = {
  internal: 1,
  /** The step's inputs, or what the runner gave it, are not what they should be. */
  usage: 2,
  "bad-input": 3,
  refused: 4,
  unreachable: 5,
  "timed-out": 124,
  cancelled: 130,
} as const;

export type FailureKind = keyof typeof EXIT_CODES;

/** Something that the reader of the log can act on. */
export class ActionFailure extends Error {
  override readonly name = "ActionFailure";
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }

  get exitCode(): number {
    return EXIT_CODES[this.kind];
  }
}

/** Whether nobody answered, or somebody who could not: asking again later may help. */
export function isOutage(error: unknown): boolean {
  if (error instanceof ApiError) return error.status >= 500 || error.status === 429;
  // What `fetch` throws where there is no connection.
  return error instanceof TypeError || (error instanceof DOMException && error.name === "TimeoutError");
}

/** @param doing what was tried, such as `post the job` */
export function asFailure(error: unknown, doing: string): ActionFailure {
  if (error instanceof ActionFailure) return error;
  const options = { cause: error };
  if (isOutage(error)) return new ActionFailure("unreachable", `Could not ${doing}: ${textOf(error)}`, options);
  if (!(error instanceof ApiError)) return new ActionFailure("internal", textOf(error), options);
  const isBadInput = error.status === 400 || error.status === 422;
  return new ActionFailure(isBadInput ? "bad-input" : "refused", `Could not ${doing}: ${error.detail}`, options);
}

/** With its cause: `fetch failed` alone says nothing. */
export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error && error.cause.message !== "" ? ` (${error.cause.message})` : "";
  return error.message + cause;
}
