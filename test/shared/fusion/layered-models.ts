import { type FusionInput, planFusion } from "../../../shared/fusion/index.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { inputOf, type TestTensor, writeCheckpoint } from "../../support/checkpoints.ts";
import { f32 } from "./fuse-tensors.ts";

/** Four layers, at 0, 1/3, 2/3 and 1; embedding and head stand outside, at 0. */
export const NAMES = [
  "embed",
  "layers.0.w",
  "layers.0.b",
  "layers.1.w",
  "layers.2.w",
  "layers.3.w",
  "layers.3.b",
  "head",
];

const steps: TestTensor = { name: "steps", dtype: "I64", shape: [1], data: new Uint8Array(8) };
/** Every tensor has the two elements [n, 2n]. */
const modelOf = (n: number) => inputOf(writeCheckpoint([...NAMES.map((name) => f32(name, [n, 2 * n])), steps]));

/** Two inputs, and a base. */
export const [a, b, base]: readonly [FusionInput, FusionInput, FusionInput] = await Promise.all([
  modelOf(8),
  modelOf(16),
  modelOf(1),
]);

/** Methods whose inputs have an order list them as they are given; the others sort them by digest. */
export const slerpOf = (t: unknown) => ({
  method: "slerp",
  inputs: [{ checkpoint: a.id }, { checkpoint: b.id }],
  parameters: { t },
});
export const planOf = (recipe: unknown) => planFusion(parseRecipe(recipe), [a, b, base]);
