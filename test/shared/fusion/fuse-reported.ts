import {
  emptyObservations,
  type FuseOptions,
  type FusionEngine,
  type FusionInput,
  fuseRange,
  fusionReport,
  planFusion,
} from "../../../shared/fusion/index.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";

/** Fuses checkpoints with unequal weights. @returns the plan, the bytes, and what was observed on the way */
export async function fuseReported(
  engine: FusionEngine,
  inputs: readonly FusionInput[],
  { options = {}, recipe = {} }: { readonly options?: FuseOptions; readonly recipe?: object } = {},
) {
  const linear = { method: "linear", inputs: inputs.map(({ id }, at) => ({ checkpoint: id, weight: at + 0.3 })) };
  const plan = planFusion(parseRecipe({ ...linear, ...recipe }), inputs);
  const observations = emptyObservations(plan);
  const chunks: Uint8Array[] = [];
  for await (const chunk of fuseRange(plan, engine, { ...options, observations })) chunks.push(chunk);
  return { plan, file: new Uint8Array(Buffer.concat(chunks)), report: fusionReport(plan, observations) };
}
