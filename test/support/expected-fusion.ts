import { MemoryBudget } from "../../shared/memory-budget.ts";
import { fuseRange, planFusion } from "../../shared/fusion/index.ts";
import { parseRecipe } from "../../shared/recipe/canonical-recipe.ts";
import { inputOf } from "./checkpoints.ts";
import { wasmEngine } from "./wasm-engine.ts";

/** The file that a recipe makes, by the core in this process: what every path of the worker must equal. */
export async function expectedFusion(
  files: readonly Uint8Array<ArrayBuffer>[],
  recipe: unknown,
): Promise<Uint8Array<ArrayBuffer>> {
  const inputs = await Promise.all(files.map((file) => inputOf(file)));
  const plan = planFusion(parseRecipe(recipe), inputs);
  const { averaging } = await wasmEngine();
  const fused = new Uint8Array(plan.layout.fileLength);
  let at = 0;
  for await (const chunk of fuseRange(plan, { kernels: averaging, budget: new MemoryBudget(2 ** 28) })) {
    fused.set(chunk, at);
    at += chunk.length;
  }
  return fused;
}
