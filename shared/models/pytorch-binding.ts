import type { TensorInfo } from "../safetensors/index.ts";
import type { Architecture } from "./architecture.ts";
import type { Binding, BindingSource } from "./binding.ts";
import { cnnStack } from "./cnn.ts";
import { type ConvolutionalStack, mapSize } from "./convolutional-stack.ts";
import { lenetStack } from "./lenet.ts";
import { convolutionKernel, type FlatMap, transposed, transposedBehindMap } from "./pytorch-layout.ts";
import { pytorchNames } from "./pytorch-names.ts";
import type { PytorchSource } from "./pytorch-tensors.ts";
import { vggStack } from "./vgg.ts";
import type { WeightShape } from "./weight-shapes.ts";

type Values = Float32Array<ArrayBuffer>;

/** A weight as PyTorch has it. */
interface PytorchForm {
  /** Several where it is written in several ways. */
  readonly shapes: readonly (readonly number[])[];
  convert(values: Values): Values;
}

/**
 * Where the weights of an architecture come from in a file that PyTorch wrote: dense kernels [out, in], convolutions
 * [out, in, h, w], and behind a flattened image rows in the order channel, row, column. By the usual names, or by
 * declared ones; a declared name may end in the rows that count, as `blocks.0.attn.qkv.weight[0:64]`.
 * @param wanted the architecture's weights
 * @param declared our name of a weight to the name of its tensor
 */
export function bindPytorch(
  architecture: Architecture,
  wanted: readonly WeightShape[],
  tensors: readonly TensorInfo[],
  declared: ReadonlyMap<string, string>,
): Binding[] {
  const known = new Map(tensors.map((tensor) => [tensor.name, tensor.shape]));
  const usual = pytorchNames(architecture, tensors);
  const flattened = flattenedBefore(architecture);
  return wanted.map((weight) => {
    const name = declared.get(weight.name);
    const source = name === undefined ? usual.get(weight.name) : sourceNamed(name, known);
    const form = formOf(architecture, weight, flattened?.weight === weight.name ? flattened.map : undefined);
    return source === undefined
      ? { weight, sources: [], read: () => new Float32Array() }
      : bindingOf(weight, source, form, known);
  });
}

function bindingOf(
  weight: WeightShape,
  { tensor, rows, less }: PytorchSource,
  { shapes, convert }: PytorchForm,
  known: ReadonlyMap<string, readonly number[]>,
): Binding {
  const found = known.get(tensor);
  const own = shapes.find((shape) => shape.join() === found?.join()) ?? shapes[0] ?? [];
  const sources: BindingSource[] = [{ tensor, shape: rows === undefined ? own : around(own, rows, found), found }];
  if (less !== undefined) sources.push({ tensor: less, shape: weight.shape, found: known.get(less) });
  return {
    weight,
    sources,
    read: (values) => {
      const whole = values(tensor);
      const size = own.slice(1).reduce((product, dimension) => product * dimension, 1);
      const converted = convert(rows === undefined ? whole : whole.slice(rows[0] * size, rows[1] * size));
      if (less === undefined) return converted;
      const subtracted = values(less);
      return converted.map((value, index) => value - (subtracted[index] ?? 0));
    },
  };
}

/** The shape that a tensor must have so that these of its rows are the weight. */
function around(
  own: readonly number[],
  [begin, end]: readonly [number, number],
  found: readonly number[] | undefined,
): readonly number[] {
  const rows = end - begin === own[0] && (found?.[0] ?? 0) >= end ? (found?.[0] ?? 0) : end;
  return [rows, ...own.slice(1)];
}

/** `name`, or `name[begin:end]` where no tensor is called that. */
function sourceNamed(name: string, known: ReadonlyMap<string, unknown>): PytorchSource {
  const [, tensor, begin, end] = /^(.+)\[(\d{1,9}):(\d{1,9})\]$/.exec(name) ?? [];
  return tensor === undefined || known.has(name) ? { tensor: name } : { tensor, rows: [Number(begin), Number(end)] };
}

function formOf(architecture: Architecture, { name, shape }: WeightShape, map: FlatMap | undefined): PytorchForm {
  const [first = 0, second = 0, third = 0, fourth = 0] = shape;
  if (name === "patch_embedding/kernel" && architecture.architecture === "vit") {
    const { patch, input } = architecture;
    const [, , channels] = input;
    return {
      shapes: [[second, channels, patch, patch]],
      convert: (values) => convolutionKernel(values, second, channels, patch * patch),
    };
  }
  if (shape.length === 4) {
    return {
      shapes: [[fourth, third, first, second]],
      convert: (values) => convolutionKernel(values, fourth, third, first * second),
    };
  }
  if (shape.length === 2 && name.endsWith("/kernel")) {
    return {
      shapes: [[second, first]],
      convert: (values) =>
        map === undefined ? transposed(values, second, first) : transposedBehindMap(values, second, map),
    };
  }
  // A class token is written as [1, 1, width], positions as [1, tokens, width].
  const withOnes = name.endsWith("/embedding")
    ? [
        [1, ...shape],
        [1, 1, ...shape],
      ]
    : [];
  return { shapes: [shape, ...withOnes], convert: (values) => values };
}

/** The dense kernel whose rows come from a flattened map with channels, and that map. */
function flattenedBefore(architecture: Architecture): { readonly weight: string; readonly map: FlatMap } | undefined {
  switch (architecture.architecture) {
    case "mlp": {
      const { input, hidden } = architecture;
      const [height = 0, width = 0, channels = 0] = input;
      // PyTorch's images have their channels first.
      return input.length === 3
        ? { weight: hidden.length > 0 ? "hidden_0/kernel" : "output/kernel", map: [height, width, channels] }
        : undefined;
    }
    case "cnn":
      return flattenedStack(cnnStack(architecture));
    case "lenet":
      return flattenedStack(lenetStack(architecture));
    case "vgg":
      return flattenedStack(vggStack(architecture));
    case "resnet":
    case "vit":
    case "transformer":
      return undefined;
  }
}

function flattenedStack(stack: ConvolutionalStack): { readonly weight: string; readonly map: FlatMap } {
  const { stages, hidden } = stack;
  const [height, width] = mapSize(stack);
  return {
    weight: hidden.length > 0 ? `hidden_${stages.length}/kernel` : "output/kernel",
    map: [height, width, stages.at(-1)?.filters ?? 0],
  };
}
