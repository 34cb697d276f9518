import * as z from "zod";

/** Bounds that keep a declared architecture from asking for more memory than any machine has. */
export const unitsSchema = z.int().min(1).max(65_536);
export const channelsSchema = z.int().min(1).max(8_192);
export const classesSchema = z.int().min(2).max(65_536);

/** Shape of one image: height, width, channels, such as [32, 32, 3]. */
export const imageSchema = z.tuple([unitsSchema, unitsSchema, channelsSchema]);

/** Height, width, channels. */
export type ImageShape = z.infer<typeof imageSchema>;

/**
 * What stands between a convolution and its ReLU. `batch`: batch normalisation, with running statistics in evaluation.
 * `layer`: over the channels of each position, as flax's LayerNorm and so the ResNets of Git Re-Basin have it.
 */
export const normSchema = z.enum(["none", "layer", "batch"]);

export type Norm = z.infer<typeof normSchema>;

/** Width of a transformer: a multiple of its heads. */
export const widthSchema = z.int().min(1).max(8_192);
export const headsSchema = z.int().min(1).max(128);
export const depthSchema = z.int().min(1).max(256);
export const mlpRatioSchema = z.number().min(0.125).max(16);
