import type * as tfl from "@tensorflow/tfjs-layers";
import * as z from "zod";
import { buildConvolutionalStack, type ConvolutionalStack, mapSize } from "./convolutional-stack.ts";
import { channelsSchema, classesSchema, imageSchema, unitsSchema } from "./dimensions.ts";

const lenetOptions = z.strictObject({
  architecture: z.literal("lenet"),
  input: imageSchema,
  channels: z.tuple([channelsSchema, channelsSchema]).default([16, 32]),
  /** Units of each dense layer before the logits. */
  hidden: z.array(unitsSchema).max(16).default([]),
  classes: classesSchema,
});

/**
 * The LeNet-5 variant of the TNA-PFN authors' code: 5 x 5 convolutions to 16 and 32 channels with padding 2, ReLU and a
 * 2 x 2 maximum after each, then straight to the logits (1568 values for MNIST). `hidden: [120, 84]` gives LeCun's
 * dense layers.
 *
 * Weights: `conv_0/kernel` [5, 5, in, 16], `conv_0/bias`, `conv_1/…`, `hidden_2/…` where there are hidden layers,
 * `output/kernel`, `output/bias`.
 */
export type Lenet = z.infer<typeof lenetOptions>;

/** {@link Lenet}, with defaults filled in. */
export const lenetSchema = lenetOptions.refine((lenet) => Math.min(...mapSize(lenetStack(lenet))) > 0, {
  error: "the input is too small to be halved twice",
});

export function lenetStack({ input, channels, hidden, classes }: Lenet): ConvolutionalStack {
  const stages = channels.map((filters) => ({
    filters,
    kernel: 5,
    padding: "same" as const,
    norm: "none" as const,
    pool: true,
  }));
  return { input, stages, hidden, classes };
}

export function buildLenet(lenet: Lenet): tfl.LayersModel {
  return buildConvolutionalStack("lenet", lenetStack(lenet));
}
