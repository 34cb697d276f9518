import { Failure } from "../failure.ts";

/**
 * What a failed write means: where the disk is full, a Failure that says so and what to do.
 * @returns anything else as it is
 */
export function diskFailure(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  return new Failure(
    "unreachable",
    `There is no space left for ${path} (${code}): free some and run the same command again. ` +
      "What was there before is whole, and training goes on from its last saved state, unless --fresh discards it.",
    { cause: error },
  );
}
