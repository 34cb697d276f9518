import { digestOfValue, type ShardId, type SoupId } from "../../identity.ts";
import { parseRecipe } from "../../recipe/canonical-recipe.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import type { SoupCandidate, SoupKind, SoupOutcome } from "./soup.ts";

/** A soup as it is asked for, with every name resolved. */
export interface SoupQuestion {
  readonly kind: SoupKind;
  readonly candidates: readonly SoupCandidate["id"][];
  /** Of the held-out data, in the dataset's order. */
  readonly shards: readonly ShardId[];
  readonly statistics: "interpolated" | "recomputed";
  readonly calibration?: ShardId | undefined;
  /** How weights are read; plain JSON. */
  readonly as?: unknown;
}

/** The name of a soup: SHA-256 of the canonical JSON of what is asked, candidates sorted. */
export function soupIdOf({ kind, candidates, shards, statistics, calibration, as }: SoupQuestion): SoupId {
  return digestOfValue({ kind, candidates: candidates.toSorted(), shards, statistics, calibration, as }) as SoupId;
}

/**
 * The recipe of a soup: linear, of what went in. Equal shares are written as weights of 1, so that a plain mean reads as
 * one.
 */
export function soupRecipe(soup: SoupId, { shares }: Pick<SoupOutcome, "shares">): Recipe {
  const isEven = shares.every(({ weight }) => weight === shares[0]?.weight);
  return parseRecipe({
    method: "linear",
    inputs: shares.map(({ candidate, weight }) => ({ checkpoint: candidate, weight: isEven ? 1 : weight })),
    selection: { soup },
  });
}
