import { type FusionInput, type FusionPlan, planFusion } from "../../shared/fusion/index.ts";
import type { SoupSelection } from "../../shared/api/soup-trace.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { filesOf, type Recipe } from "../../shared/recipe/recipe.ts";
import type { Environment } from "../environment.ts";
import { openCheckpoint } from "../objects/open-checkpoint.ts";
import { selectionOf } from "../souping/selection.ts";

/** A file that takes part in a fusion. */
export interface FusionFile {
  readonly bytes: number;
  /** What it was called where it was uploaded. */
  readonly name: string | null;
}

export interface PreparedFusion {
  readonly plan: FusionPlan;
  /** Every file that is read, once. */
  readonly files: ReadonlyMap<CheckpointId, FusionFile>;
  /** Bytes of all of them together. */
  readonly inputBytes: number;
  /** Which version of each object is read, now and until the end. */
  readonly etags: Readonly<Record<string, string>>;
  /** How the inputs were chosen, of a soup's recipe. */
  readonly selection: SoupSelection | undefined;
}

/**
 * Reads the headers of a recipe's files and plans the fusion; every later read is of the same version of each object.
 * @param recipe from `parseRecipe`
 * @param etags versions that the fusion was planned over before
 * @throws Problem `checkpoint-not-found`, `input-changed`, `soup-not-found`, and what `planFusion` throws
 */
export async function prepareFusion(
  { BUCKET, CATALOG }: Pick<Environment, "BUCKET" | "CATALOG">,
  recipe: Recipe,
  etags: Readonly<Record<string, string>> = {},
): Promise<PreparedFusion> {
  const selection = await selectionOf(CATALOG, recipe);
  const inputs: FusionInput[] = [];
  const files = new Map<CheckpointId, FusionFile>();
  const met: Record<string, string> = {};
  for (const id of filesOf(recipe)) {
    const open = await openCheckpoint({ BUCKET, CATALOG }, id, etags);
    inputs.push(open.input);
    files.set(id, { bytes: open.bytes, name: open.name });
    Object.assign(met, open.etags);
  }
  return {
    plan: planFusion(recipe, inputs),
    files,
    etags: met,
    selection,
    inputBytes: [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
