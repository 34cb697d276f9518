import * as tfl from "@tensorflow/tfjs-layers";
import * as z from "zod";
import { classesSchema, depthSchema, headsSchema, mlpRatioSchema, widthSchema } from "./dimensions.ts";
import { PositionEmbedding } from "./layers/position-embedding.ts";
import { TokenEmbedding } from "./layers/token-embedding.ts";
import { apply, applyBlocks, dense, headsDivideWidth } from "./transformer-blocks.ts";

/**
 * A small transformer for text: token and position embeddings, pre-norm blocks with GELU, a last norm, logits.
 *
 * `causal: true` lets a position see only what stands before it (a language model: `classes` is the vocabulary).
 * `pooling: "none"` gives logits for every position, [batch, length, classes]; `mean` one row a sequence,
 * [batch, classes]. Samples are tokens [length], whole numbers from 0, as float32 or int32.
 *
 * Weights: `tokens/embedding` [vocabulary, width], `positions/embedding` [length, width], the blocks'
 * (`transformer-blocks.ts`), `output/kernel` [width, classes], `output/bias`. The head is not tied to the embedding.
 */
export const transformerSchema = z
  .strictObject({
    architecture: z.literal("transformer"),
    vocabulary: z.int().min(2).max(262_144),
    /** Tokens of a sample. */
    length: z.int().min(1).max(8_192),
    width: widthSchema,
    depth: depthSchema,
    heads: headsSchema,
    mlpRatio: mlpRatioSchema.default(4),
    causal: z.boolean(),
    pooling: z.enum(["none", "mean"]).default("none"),
    classes: classesSchema,
  })
  .refine(headsDivideWidth, { error: "heads must divide width" });

export type Transformer = z.infer<typeof transformerSchema>;

export function buildTransformer(transformer: Transformer): tfl.LayersModel {
  const { vocabulary, length, width, causal, pooling, classes } = transformer;
  const tokens = tfl.input({ shape: [length], name: "input" });
  const embedded = apply(new TokenEmbedding({ vocabulary, width, name: "tokens" }), tokens);
  const positioned = apply(new PositionEmbedding({ name: "positions" }), embedded);
  const stream = applyBlocks(transformer, causal, positioned);
  const rows = pooling === "mean" ? apply(tfl.layers.globalAveragePooling1d({ name: "pool" }), stream) : stream;
  return tfl.model({ name: "transformer", inputs: tokens, outputs: apply(dense("output", classes), rows) });
}
