import * as tfl from "@tensorflow/tfjs-layers";
import { Gelu } from "./layers/gelu.ts";
import { normalization } from "./layers/normalization.ts";
import { SelfAttention } from "./layers/self-attention.ts";

/** What the vision transformer and the text transformer have in common. */
export interface TransformerShape {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  /** Units of the hidden layer of each block's MLP, as a multiple of the width. */
  readonly mlpRatio: number;
}

/** Units of the hidden layer of each block's MLP. */
export function mlpUnits({ width, mlpRatio }: Pick<TransformerShape, "width" | "mlpRatio">): number {
  return Math.max(1, Math.round(width * mlpRatio));
}

/** Whether the heads divide the width, for a schema's `refine`. */
export const headsDivideWidth = ({ width, heads }: Pick<TransformerShape, "width" | "heads">) => width % heads === 0;

/**
 * Pre-norm transformer blocks and a last norm: [batch, n, width] to the same.
 *
 * Weights of block b: `block_b/attention_norm/{gamma,beta}` [width], `block_b/attention/{query,key,value,output}/kernel`
 * [width, width] and `…/bias` [width], `block_b/mlp_norm/{gamma,beta}`, `block_b/mlp_up/kernel` [width, units], `…/bias`,
 * `block_b/mlp_down/kernel` [units, width], `…/bias`; then `norm/{gamma,beta}`.
 */
export function applyBlocks(shape: TransformerShape, causal: boolean, tokens: tfl.SymbolicTensor): tfl.SymbolicTensor {
  let stream = tokens;
  for (let index = 0; index < shape.depth; index++) {
    const name = `block_${index}`;
    const attended = apply(
      new SelfAttention({ heads: shape.heads, causal, name: `${name}/attention` }),
      apply(normalization("layer", `${name}/attention_norm`), stream),
    );
    stream = add(`${name}/attention_add`, stream, attended);
    const hidden = apply(
      dense(`${name}/mlp_up`, mlpUnits(shape)),
      apply(normalization("layer", `${name}/mlp_norm`), stream),
    );
    const mixed = apply(dense(`${name}/mlp_down`, shape.width), apply(new Gelu({ name: `${name}/gelu` }), hidden));
    stream = add(`${name}/mlp_add`, stream, mixed);
  }
  return apply(normalization("layer", "norm"), stream);
}

/** A linear layer over the last axis. */
export function dense(name: string, units: number): tfl.layers.Layer {
  return tfl.layers.dense({ units, name, kernelInitializer: "zeros" });
}

/** Calls a layer that has one input and one output. */
export function apply(layer: tfl.layers.Layer, input: tfl.SymbolicTensor): tfl.SymbolicTensor {
  return layer.apply(input) as tfl.SymbolicTensor;
}

function add(name: string, a: tfl.SymbolicTensor, b: tfl.SymbolicTensor): tfl.SymbolicTensor {
  return tfl.layers.add({ name }).apply([a, b]) as tfl.SymbolicTensor;
}
