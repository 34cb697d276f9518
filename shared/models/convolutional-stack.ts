import * as tfl from "@tensorflow/tfjs-layers";
import type { ImageShape, Norm } from "./dimensions.ts";
import { normalization } from "./layers/normalization.ts";

/** One convolution with what follows it: norm, ReLU, and a 2 x 2 maximum where `pool` says so. */
export interface ConvolutionStage {
  readonly filters: number;
  /** Side of the square kernel. */
  readonly kernel: number;
  /** `valid`: none. `same`: zeros, so that the size stays. Stride 1. */
  readonly padding: "valid" | "same";
  readonly norm: Norm;
  readonly pool: boolean;
}

/**
 * Convolutions in a row, then dense layers on the flattened map: the shape of every network before residuals.
 *
 * Layers count on from the first convolution to the last hidden layer (`conv_0`, `norm_0`, `conv_1`, `hidden_2`,
 * `output`), so that a name tells how deep a weight lies.
 */
export interface ConvolutionalStack {
  readonly input: ImageShape;
  readonly stages: readonly ConvolutionStage[];
  /** Units of each dense ReLU layer. */
  readonly hidden: readonly number[];
  readonly classes: number;
}

/** Height and width of the map after all stages; 0 or less where the input is too small. */
export function mapSize({ input: [height, width], stages }: ConvolutionalStack): readonly [number, number] {
  const side = (size: number) =>
    stages.reduce((rest, { kernel, padding, pool }) => {
      const convolved = padding === "same" ? rest : rest - kernel + 1;
      return pool ? Math.floor(convolved / 2) : convolved;
    }, size);
  return [side(height), side(width)];
}

/** @param name of the model, which is the architecture's */
export function buildConvolutionalStack(name: string, stack: ConvolutionalStack): tfl.LayersModel {
  const { input, stages, hidden, classes } = stack;
  const layers = stages.flatMap((stage, index) => {
    const { filters, kernel, padding, norm, pool } = stage;
    const convolution = tfl.layers.conv2d({
      name: `conv_${index}`,
      filters,
      kernelSize: kernel,
      padding,
      // A norm subtracts every constant again.
      useBias: norm === "none",
      activation: norm === "none" ? "relu" : "linear",
      kernelInitializer: "zeros",
      ...(index === 0 ? { inputShape: input } : {}),
    });
    return [
      convolution,
      ...(norm === "none"
        ? []
        : [normalization(norm, `norm_${index}`), tfl.layers.activation({ activation: "relu", name: `relu_${index}` })]),
      ...(pool ? [tfl.layers.maxPooling2d({ poolSize: 2, strides: 2, name: `pool_${index}` })] : []),
    ];
  });
  const dense = hidden.map((units, index) =>
    tfl.layers.dense({
      units,
      activation: "relu",
      name: `hidden_${stages.length + index}`,
      kernelInitializer: "zeros",
    }),
  );
  const output = tfl.layers.dense({ units: classes, name: "output", kernelInitializer: "zeros" });
  return tfl.sequential({ name, layers: [...layers, tfl.layers.flatten({ name: "flatten" }), ...dense, output] });
}
