import type * as tfl from "@tensorflow/tfjs-layers";
import * as z from "zod";
import { buildConvolutionalStack, type ConvolutionalStack, mapSize } from "./convolutional-stack.ts";
import { channelsSchema, classesSchema, imageSchema, unitsSchema } from "./dimensions.ts";

const cnnOptions = z.strictObject({
  architecture: z.literal("cnn"),
  input: imageSchema,
  /** Output channels of each convolution. */
  channels: z.array(channelsSchema).min(1).max(16).default([32, 64, 64]),
  /** Units of each dense layer before the logits. */
  hidden: z.array(unitsSchema).max(16).default([64]),
  classes: classesSchema,
});

/**
 * A plain convolutional network, by default the one of the TNA-PFN authors' code for CIFAR: 3 x 3 convolutions without
 * padding to 32, 64 and 64 channels, ReLU after each and a 2 x 2 maximum after all but the last, a dense ReLU layer of 64,
 * logits. For [32, 32, 3] the map that is flattened has 4 x 4 x 64 = 1024 values.
 *
 * Weights: `conv_0/kernel` [3, 3, in, out], `conv_0/bias` [out], …, `hidden_3/kernel` [in, out], `hidden_3/bias`,
 * `output/kernel`, `output/bias`.
 */
export type Cnn = z.infer<typeof cnnOptions>;

/** {@link Cnn}, with defaults filled in. */
export const cnnSchema = cnnOptions.refine((cnn) => Math.min(...mapSize(cnnStack(cnn))) > 0, {
  error: "the input is too small for the convolutions",
});

export function cnnStack({ input, channels, hidden, classes }: Cnn): ConvolutionalStack {
  const stages = channels.map((filters, index) => ({
    filters,
    kernel: 3,
    padding: "valid" as const,
    norm: "none" as const,
    pool: index < channels.length - 1,
  }));
  return { input, stages, hidden, classes };
}

export function buildCnn(cnn: Cnn): tfl.LayersModel {
  return buildConvolutionalStack("cnn", cnnStack(cnn));
}
