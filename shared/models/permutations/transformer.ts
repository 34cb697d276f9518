import type { Transformer } from "../transformer.ts";
import { mlpUnits, type TransformerShape } from "../transformer-blocks.ts";
import type { Vit } from "../vit.ts";
import { addDense, addNorm, type PermutationSpec, type SpecDraft, units } from "./specification.ts";

/** The residual stream, which every block reads and writes. Its norms treat all entries alike. */
const STREAM = "stream";

/** Groups: `stream`, and for each block `block_b/heads` and `block_b/mlp`. */
export function vitPermutations(vit: Vit): PermutationSpec {
  const spec: SpecDraft = { groups: { [STREAM]: vit.width }, weights: {} };
  addDense(spec, "patch_embedding", null, units(STREAM));
  if (vit.pooling === "class-token") spec.weights["class_token/embedding"] = [units(STREAM)];
  return finish(spec, vit);
}

/** Groups as {@link vitPermutations}. */
export function transformerPermutations(transformer: Transformer): PermutationSpec {
  const spec: SpecDraft = { groups: { [STREAM]: transformer.width }, weights: {} };
  spec.weights["tokens/embedding"] = [null, units(STREAM)];
  return finish(spec, transformer);
}

function finish(spec: SpecDraft, shape: TransformerShape): PermutationSpec {
  const stream = units(STREAM);
  spec.weights["positions/embedding"] = [null, stream];
  for (let index = 0; index < shape.depth; index++) {
    const name = `block_${index}`;
    const [heads, mlp] = [`${name}/heads`, `${name}/mlp`];
    spec.groups[heads] = shape.heads;
    spec.groups[mlp] = mlpUnits(shape);
    // Heads move as a whole: each has width / heads entries in a row.
    const headEntries = { ...units(heads), inner: shape.width / shape.heads };
    addNorm(spec, `${name}/attention_norm`, "layer", stream);
    for (const projection of ["query", "key", "value"]) {
      addDense(spec, `${name}/attention/${projection}`, stream, headEntries);
    }
    addDense(spec, `${name}/attention/output`, headEntries, stream);
    addNorm(spec, `${name}/mlp_norm`, "layer", stream);
    addDense(spec, `${name}/mlp_up`, stream, units(mlp));
    addDense(spec, `${name}/mlp_down`, units(mlp), stream);
  }
  addNorm(spec, "norm", "layer", stream);
  addDense(spec, "output", stream, null);
  return spec;
}
