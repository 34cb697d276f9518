import type { Architecture } from "./architecture.ts";
import { cnnStack } from "./cnn.ts";
import { type ConvolutionalStack, mapSize } from "./convolutional-stack.ts";
import type { Norm } from "./dimensions.ts";
import { lenetStack } from "./lenet.ts";
import { residualBlocks, type Resnet } from "./resnet.ts";
import { mlpUnits, type TransformerShape } from "./transformer-blocks.ts";
import { vggStack } from "./vgg.ts";
import type { WeightSpec } from "./weights.ts";

/** A weight by name, without a model. */
export type WeightShape = Pick<WeightSpec, "name" | "shape">;

/**
 * The weights that `buildModel` would make, without making them: to check a checkpoint against the architecture it
 * declares before that architecture, which a stranger may have written, takes any memory.
 * @returns in no order to rely on
 */
export function weightShapes(architecture: Architecture): WeightShape[] {
  switch (architecture.architecture) {
    case "mlp": {
      const { input, hidden, classes } = architecture;
      return classifier(elements(input), hidden, classes, 0);
    }
    case "cnn":
      return stackShapes(cnnStack(architecture));
    case "lenet":
      return stackShapes(lenetStack(architecture));
    case "vgg":
      return stackShapes(vggStack(architecture));
    case "resnet":
      return resnetShapes(architecture);
    case "vit": {
      const { input, patch, width, pooling, classes } = architecture;
      const [rows, columns, channels] = input;
      const patches = (rows / patch) * (columns / patch);
      return [
        ...dense("patch_embedding", patch * patch * channels, width),
        ...(pooling === "class-token" ? [{ name: "class_token/embedding", shape: [width] }] : []),
        { name: "positions/embedding", shape: [patches + (pooling === "class-token" ? 1 : 0), width] },
        ...blockShapes(architecture),
        ...dense("output", width, classes),
      ];
    }
    case "transformer": {
      const { vocabulary, length, width, classes } = architecture;
      return [
        { name: "tokens/embedding", shape: [vocabulary, width] },
        { name: "positions/embedding", shape: [length, width] },
        ...blockShapes(architecture),
        ...dense("output", width, classes),
      ];
    }
  }
}

/** Numbers in all weights of an architecture, running statistics included; 4 bytes each. */
export function parameterCount(architecture: Architecture): number {
  return weightShapes(architecture).reduce((sum, { shape }) => sum + elements(shape), 0);
}

const elements = (shape: readonly number[]) => shape.reduce((product, dimension) => product * dimension, 1);

function dense(layer: string, inputs: number, units: number): WeightShape[] {
  return [
    { name: `${layer}/kernel`, shape: [inputs, units] },
    { name: `${layer}/bias`, shape: [units] },
  ];
}

function normShapes(layer: string, norm: Norm, channels: number): WeightShape[] {
  const roles = { none: [], layer: ["gamma", "beta"], batch: ["gamma", "beta", "moving_mean", "moving_variance"] };
  return roles[norm].map((role) => ({ name: `${layer}/${role}`, shape: [channels] }));
}

/** @param first number of the first hidden layer */
function classifier(inputs: number, hidden: readonly number[], classes: number, first: number): WeightShape[] {
  const sizes = [inputs, ...hidden];
  return [...hidden, classes].flatMap((units, index) =>
    dense(index < hidden.length ? `hidden_${first + index}` : "output", sizes[index] ?? 0, units),
  );
}

function stackShapes(stack: ConvolutionalStack): WeightShape[] {
  const { input, stages, hidden, classes } = stack;
  const channels = [input[2], ...stages.map(({ filters }) => filters)];
  const convolutions = stages.flatMap(({ filters, kernel, norm }, index) => [
    { name: `conv_${index}/kernel`, shape: [kernel, kernel, channels[index] ?? 0, filters] },
    ...(norm === "none" ? [{ name: `conv_${index}/bias`, shape: [filters] }] : []),
    ...normShapes(`norm_${index}`, norm, filters),
  ]);
  const flat = elements(mapSize(stack)) * (channels.at(-1) ?? 0);
  return [...convolutions, ...classifier(flat, hidden, classes, stages.length)];
}

function resnetShapes(resnet: Resnet): WeightShape[] {
  const { input, norm, width, shortcut, classes } = resnet;
  const convolution = (name: string, side: number, inputs: number, filters: number): WeightShape => ({
    name: `${name}/kernel`,
    shape: [side, side, inputs, filters],
  });
  const blocks = residualBlocks(resnet).flatMap(({ name, inputs, filters, stride }) => [
    convolution(`${name}/conv_1`, 3, inputs, filters),
    ...normShapes(`${name}/norm_1`, norm, filters),
    convolution(`${name}/conv_2`, 3, filters, filters),
    ...normShapes(`${name}/norm_2`, norm, filters),
    ...(stride === 1 || shortcut === "pad"
      ? []
      : [
          convolution(`${name}/shortcut`, shortcut === "conv1x1" ? 1 : 3, inputs, filters),
          ...normShapes(`${name}/shortcut_norm`, norm, filters),
        ]),
  ]);
  const stem = [convolution("stem", 3, input[2], width), ...normShapes("stem_norm", norm, width)];
  return [...stem, ...blocks, ...dense("output", 4 * width, classes)];
}

function blockShapes(shape: TransformerShape): WeightShape[] {
  const { width, depth } = shape;
  const blocks = Array.from({ length: depth }, (_, index) => {
    const name = `block_${index}`;
    return [
      ...normShapes(`${name}/attention_norm`, "layer", width),
      ...["query", "key", "value", "output"].flatMap((projection) =>
        dense(`${name}/attention/${projection}`, width, width),
      ),
      ...normShapes(`${name}/mlp_norm`, "layer", width),
      ...dense(`${name}/mlp_up`, width, mlpUnits(shape)),
      ...dense(`${name}/mlp_down`, mlpUnits(shape), width),
    ];
  });
  return [...blocks.flat(), ...normShapes("norm", "layer", width)];
}
