import * as tfl from "@tensorflow/tfjs-layers";
import * as z from "zod";
import { channelsSchema, classesSchema, imageSchema, type Norm, normSchema } from "./dimensions.ts";
import { normalization } from "./layers/normalization.ts";
import { PadChannels } from "./layers/pad-channels.ts";

/**
 * The residual network for small images (He et al., arXiv:1512.03385, section 4.2): a 3 x 3 convolution, three stages of
 * basic blocks with 1, 2 and 4 times the width, the mean over positions, logits. Stages 1 and 2 begin with stride 2.
 *
 * `norm: "none"` is the norm-free network of the TNA-PFN authors' `resnet.py`; convolutions have no bias in either. Padding
 * is TensorFlow's `same`: at stride 2 and an even size it pads below and to the right only; `padding: "symmetric"` pads all
 * round, as PyTorch does.
 *
 * Weights: `stem/kernel` [3, 3, in, width]; for block b, counted over all stages, `block_b/conv_1/kernel`,
 * `block_b/conv_2/kernel` and, where a stage begins, `block_b/shortcut/kernel`; norms `stem_norm/…`, `block_b/norm_1/…`,
 * `block_b/norm_2/…`, `block_b/shortcut_norm/…` with `gamma`, `beta`, for batch normalisation also `moving_mean`,
 * `moving_variance`; `output/kernel`, `output/bias`.
 */
export const resnetSchema = z.strictObject({
  architecture: z.literal("resnet"),
  input: imageSchema,
  /** Weighted layers: 6 n + 2, with n blocks a stage. */
  depth: z
    .int()
    .min(8)
    .max(1202)
    .refine((depth) => depth % 6 === 2, { error: "a ResNet's depth is 6 n + 2: 8, 14, 20, 32, 44, 56, 110" }),
  norm: normSchema,
  /** Channels of the first stage. */
  width: channelsSchema.max(1024).default(16),
  /**
   * How a stage's first block passes on its input, whose size and channels do not fit: a convolution with stride 2, 1 x 1
   * (the authors') or 3 x 3 (Git Re-Basin's), or every second position with zero channels added (`pad`, He's option A).
   */
  shortcut: z.enum(["conv1x1", "conv3x3", "pad"]).default("conv1x1"),
  /** How a 3 x 3 convolution with stride 2 pads: TensorFlow's `same` where left out, one all round where `symmetric`. */
  padding: z.literal("symmetric").optional(),
  classes: classesSchema,
});

export type Resnet = z.infer<typeof resnetSchema>;

/** A basic block: two 3 x 3 convolutions around which the input passes. */
export interface ResidualBlock {
  readonly name: string;
  /** 0, 1 or 2. */
  readonly stage: number;
  readonly inputs: number;
  readonly filters: number;
  readonly stride: 1 | 2;
}

/** The blocks from the input to the output. */
export function residualBlocks({ depth, width }: Pick<Resnet, "depth" | "width">): ResidualBlock[] {
  const perStage = (depth - 2) / 6;
  return Array.from({ length: 3 * perStage }, (_, index) => {
    const stage = Math.floor(index / perStage);
    const changes = stage > 0 && index % perStage === 0;
    const filters = width * 2 ** stage;
    return { name: `block_${index}`, stage, inputs: changes ? filters / 2 : filters, filters, stride: changes ? 2 : 1 };
  });
}

export function buildResnet(resnet: Resnet): tfl.LayersModel {
  const { input, norm, width, classes } = resnet;
  const image = tfl.input({ shape: input, name: "input" });
  let stream = relu("stem_relu", normed(norm, "stem_norm", convolve("stem", width, 3, 1, image)));
  for (const block of residualBlocks(resnet)) stream = applyBlock(resnet, block, stream);
  const pooled = apply(tfl.layers.globalAveragePooling2d({ name: "pool" }), stream);
  const logits = apply(tfl.layers.dense({ units: classes, name: "output", kernelInitializer: "zeros" }), pooled);
  return tfl.model({ name: "resnet", inputs: image, outputs: logits });
}

function applyBlock(
  { norm, shortcut, padding }: Resnet,
  { name, filters, stride }: ResidualBlock,
  input: tfl.SymbolicTensor,
): tfl.SymbolicTensor {
  const first = normed(norm, `${name}/norm_1`, convolve(`${name}/conv_1`, filters, 3, stride, input, padding));
  const second = convolve(`${name}/conv_2`, filters, 3, 1, relu(`${name}/relu_1`, first));
  const branch = normed(norm, `${name}/norm_2`, second);
  const passed = stride === 1 ? input : shortcutOf({ shortcut, norm, padding }, name, filters, input);
  const sum = tfl.layers.add({ name: `${name}/add` }).apply([branch, passed]) as tfl.SymbolicTensor;
  return relu(`${name}/relu_2`, sum);
}

function shortcutOf(
  { shortcut, norm, padding }: Pick<Resnet, "shortcut" | "norm" | "padding">,
  block: string,
  filters: number,
  input: tfl.SymbolicTensor,
): tfl.SymbolicTensor {
  const name = `${block}/shortcut`;
  switch (shortcut) {
    case "conv1x1":
    case "conv3x3": {
      const projected = convolve(name, filters, shortcut === "conv1x1" ? 1 : 3, 2, input, padding);
      return normed(norm, `${name}_norm`, projected);
    }
    case "pad": {
      // A maximum over one position is that position: every second one stays.
      const halved = tfl.layers.maxPooling2d({ poolSize: 1, strides: 2, padding: "same", name: `${name}/stride` });
      return apply(new PadChannels({ channels: filters, name }), apply(halved, input));
    }
  }
}

function convolve(
  name: string,
  filters: number,
  kernel: number,
  stride: number,
  input: tfl.SymbolicTensor,
  padding?: Resnet["padding"],
): tfl.SymbolicTensor {
  const isPadded = padding === "symmetric" && kernel === 3 && stride === 2;
  const padded = isPadded ? apply(tfl.layers.zeroPadding2d({ padding: 1, name: `${name}/padding` }), input) : input;
  const options = {
    filters,
    kernelSize: kernel,
    strides: stride,
    padding: isPadded ? "valid" : "same",
    useBias: false,
  } as const;
  return apply(tfl.layers.conv2d({ ...options, name, kernelInitializer: "zeros" }), padded);
}

function normed(norm: Norm, name: string, input: tfl.SymbolicTensor): tfl.SymbolicTensor {
  return norm === "none" ? input : apply(normalization(norm, name), input);
}

function relu(name: string, input: tfl.SymbolicTensor): tfl.SymbolicTensor {
  return apply(tfl.layers.activation({ activation: "relu", name }), input);
}

function apply(layer: tfl.layers.Layer, input: tfl.SymbolicTensor): tfl.SymbolicTensor {
  return layer.apply(input) as tfl.SymbolicTensor;
}
