import * as tfl from "@tensorflow/tfjs-layers";
import * as z from "zod";
import { classesSchema, depthSchema, headsSchema, imageSchema, mlpRatioSchema, widthSchema } from "./dimensions.ts";
import { ClassToken, FirstToken } from "./layers/class-token.ts";
import { PatchEmbedding } from "./layers/patch-embedding.ts";
import { PositionEmbedding } from "./layers/position-embedding.ts";
import { apply, applyBlocks, dense, headsDivideWidth } from "./transformer-blocks.ts";

/**
 * A small vision transformer (Dosovitskiy et al., arXiv:2010.11929): patches to tokens, learned positions, pre-norm
 * blocks with GELU, a last norm, logits of the class token or of the mean over all tokens.
 *
 * Weights: `patch_embedding/kernel` [patch² channels, width], `patch_embedding/bias`, with a class token
 * `class_token/embedding` [width], `positions/embedding` [tokens, width], the blocks' (`transformer-blocks.ts`),
 * `output/kernel` [width, classes], `output/bias`.
 */
export const vitSchema = z
  .strictObject({
    architecture: z.literal("vit"),
    input: imageSchema,
    /** Side of a patch; divides height and width. */
    patch: z.int().min(1).max(1024),
    width: widthSchema,
    depth: depthSchema,
    heads: headsSchema,
    mlpRatio: mlpRatioSchema.default(4),
    pooling: z.enum(["class-token", "mean"]).default("class-token"),
    classes: classesSchema,
  })
  .refine(headsDivideWidth, { error: "heads must divide width" })
  .refine(({ input: [height, width], patch }) => height % patch === 0 && width % patch === 0, {
    error: "patch must divide the image's height and width",
  });

export type Vit = z.infer<typeof vitSchema>;

export function buildVit(vit: Vit): tfl.LayersModel {
  const { input, patch, width, pooling, classes } = vit;
  const image = tfl.input({ shape: input, name: "input" });
  const patches = apply(new PatchEmbedding({ patch, width, name: "patch_embedding" }), image);
  const tokens = pooling === "mean" ? patches : apply(new ClassToken({ name: "class_token" }), patches);
  const stream = applyBlocks(vit, false, apply(new PositionEmbedding({ name: "positions" }), tokens));
  const pool =
    pooling === "mean" ? tfl.layers.globalAveragePooling1d({ name: "pool" }) : new FirstToken({ name: "pool" });
  const logits = apply(dense("output", classes), apply(pool, stream));
  return tfl.model({ name: "vit", inputs: image, outputs: logits });
}
