import type * as tfl from "@tensorflow/tfjs-layers";
import * as z from "zod";
import { buildConvolutionalStack, type ConvolutionalStack, mapSize } from "./convolutional-stack.ts";
import { classesSchema, imageSchema, normSchema, unitsSchema } from "./dimensions.ts";

/** Channels at width 64, group by group; a group ends with a maximum. Simonyan & Zisserman, arXiv:1409.1556, table 1. */
const GROUPS = {
  11: [[64], [128], [256, 256], [512, 512], [512, 512]],
  13: [
    [64, 64],
    [128, 128],
    [256, 256],
    [512, 512],
    [512, 512],
  ],
  16: [
    [64, 64],
    [128, 128],
    [256, 256, 256],
    [512, 512, 512],
    [512, 512, 512],
  ],
  19: [
    [64, 64],
    [128, 128],
    [256, 256, 256, 256],
    [512, 512, 512, 512],
    [512, 512, 512, 512],
  ],
} as const;

const vggOptions = z.strictObject({
  architecture: z.literal("vgg"),
  input: imageSchema,
  depth: z.literal([11, 13, 16, 19]),
  norm: normSchema,
  /** Factor on all channels, such as 0.25; rounded, at least 1 channel. */
  width: z
    .number()
    .min(1 / 64)
    .max(4)
    .default(1),
  /** How many of the five groups end with a maximum. */
  pools: z.int().min(1).max(5).default(5),
  /** Units of each dense layer before the logits. */
  hidden: z.array(unitsSchema).max(4).default([]),
  classes: classesSchema,
});

/**
 * VGG-11, -13, -16 or -19: 3 x 3 convolutions with padding 1 in five groups, each halved by a maximum.
 *
 * The defaults are the variant for small images (32 x 32: one position with 512 values at the end, straight to the
 * logits). `hidden: [4096, 4096]` gives the dense layers of the original. Images below 32 x 32 need `pools` below 5: then
 * only the first groups are halved.
 *
 * Weights: `conv_0/kernel` [3, 3, in, out] and, without norm, `conv_0/bias`; with norm `norm_0/gamma`, `norm_0/beta`, for
 * batch normalisation also `norm_0/moving_mean`, `norm_0/moving_variance`; …, `output/kernel`, `output/bias`.
 */
export type Vgg = z.infer<typeof vggOptions>;

/** {@link Vgg}, with defaults filled in. */
export const vggSchema = vggOptions.refine((vgg) => Math.min(...mapSize(vggStack(vgg))) > 0, {
  error: "the input is too small to be halved `pools` times",
});

export function vggStack(vgg: Vgg): ConvolutionalStack {
  const { input, depth, norm, width, pools, hidden, classes } = vgg;
  const stages = GROUPS[depth].flatMap((group, groupIndex) =>
    group.map((channels, index) => ({
      filters: Math.max(1, Math.round(channels * width)),
      kernel: 3,
      padding: "same" as const,
      norm,
      pool: groupIndex < pools && index === group.length - 1,
    })),
  );
  return { input, stages, hidden, classes };
}

export function buildVgg(vgg: Vgg): tfl.LayersModel {
  return buildConvolutionalStack("vgg", vggStack(vgg));
}
