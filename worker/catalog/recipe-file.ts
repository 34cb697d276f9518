import type { Visibility } from "../../shared/api/fusions.ts";
import type { ModelId } from "../../shared/identity.ts";
import type { Recipe } from "../../shared/recipe/recipe.ts";

/** What is known of a model, whether it is stored or not: its recipe, and the file that this comes to. */
export interface RecipeFile {
  readonly id: ModelId;
  readonly recipe: Recipe;
  /** Of model.safetensors. */
  readonly bytes: number;
  /** Where its data section begins, which is weights.bin. */
  readonly dataOffset: number;
  /** Who may read it; no part of the recipe, nor of the id. */
  readonly visibility: Visibility;
  readonly createdAt: string;
}

/** The same columns of `models` and `fusions`. */
export interface RecipeFileRow {
  id: string;
  recipe: string;
  bytes: number;
  data_offset: number;
  visibility: Visibility;
  created_at: string;
}

export function recipeFileOf(row: RecipeFileRow): RecipeFile {
  return {
    id: row.id as ModelId,
    recipe: JSON.parse(row.recipe) as Recipe,
    bytes: row.bytes,
    dataOffset: row.data_offset,
    visibility: row.visibility,
    createdAt: row.created_at,
  };
}
