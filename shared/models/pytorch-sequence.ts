import type { TensorInfo } from "../safetensors/index.ts";
import type { PytorchSource } from "./pytorch-tensors.ts";

/** A network that is convolutions in a row, then dense layers. */
export interface SequenceShape {
  readonly convolutions: number;
  readonly norm: "none" | "layer" | "batch";
  /** Names of our dense layers, the output last. */
  readonly dense: readonly string[];
}

/** What a module of PyTorch holds: its tensors by role, such as `weight`. */
type Module = ReadonlyMap<string, TensorInfo>;

/** What the last dense layer is called where it is not counted along. */
const OUTPUT = /(?:^|[._])(?:fc|out|output|outputs|head|linear|classifier|logits?|last|final|predictions?)$/;

/**
 * The tensors of a network without branches, by what they are: a weight of rank 4 is a convolution, of rank 2 a dense
 * layer, of rank 1 a norm. Modules of one kind must be told apart by numbers alone (`conv1`, `conv2`; `features.0`,
 * `features.3`; `fc1`, `fc2`), whose order is the network's; the last dense layer may be called `fc`, `out`, `output`,
 * `head`, `linear`, `classifier`, `logits`, … instead. Where that does not decide, a weight is left out.
 */
export function sequenceNames(shape: SequenceShape, tensors: readonly TensorInfo[]): Map<string, PytorchSource> {
  const modules = modulesOf(tensors);
  const ofRank = (rank: number) =>
    [...modules].filter(([, module]) => module.get("weight")?.shape.length === rank).map(([name]) => name);
  const convolutions = counted(ofRank(4), shape.convolutions);
  const norms = counted(ofRank(1), shape.norm === "none" ? 0 : shape.convolutions);
  const dense = inOrder(ofRank(2), shape.dense.length);

  const names = new Map<string, PytorchSource>();
  const bind = (weight: string, module: string | undefined, role: string, less?: string) => {
    if (module === undefined) return;
    const tensor = module === "" ? role : `${module}.${role}`;
    names.set(weight, { tensor, ...(less === undefined ? {} : { less }) });
  };
  for (let index = 0; index < shape.convolutions; index++) {
    const convolution = convolutions[index];
    bind(`conv_${index}/kernel`, convolution, "weight");
    if (shape.norm === "none") {
      bind(`conv_${index}/bias`, convolution, "bias");
      continue;
    }
    const norm = norms[index];
    bind(`norm_${index}/gamma`, norm, "weight");
    bind(`norm_${index}/beta`, norm, "bias");
    if (shape.norm === "layer") continue;
    // What a convolution adds to all positions, the mean subtracts again; our convolutions under a norm add nothing.
    const bias = convolution === undefined ? undefined : modules.get(convolution)?.get("bias")?.name;
    bind(`norm_${index}/moving_mean`, norm, "running_mean", bias);
    bind(`norm_${index}/moving_variance`, norm, "running_var");
  }
  for (const [index, layer] of shape.dense.entries()) {
    bind(`${layer}/kernel`, dense[index], "weight");
    bind(`${layer}/bias`, dense[index], "bias");
  }
  return names;
}

function modulesOf(tensors: readonly TensorInfo[]): ReadonlyMap<string, Module> {
  const modules = new Map<string, Map<string, TensorInfo>>();
  for (const tensor of tensors) {
    const dot = tensor.name.lastIndexOf(".");
    const name = tensor.name.slice(0, Math.max(dot, 0));
    const module = modules.get(name) ?? new Map<string, TensorInfo>();
    module.set(tensor.name.slice(dot + 1), tensor);
    modules.set(name, module);
  }
  return modules;
}

const patternOf = (name: string) => name.replaceAll(/\d+/g, "#");

/** Names that differ by numbers alone, in the order of those; none where they differ in more, or are not `count`. */
function counted(names: readonly string[], count: number): readonly string[] {
  const patterns = new Set(names.map(patternOf));
  return names.length === count && patterns.size <= 1 ? names.toSorted(compareNumbers) : [];
}

/** Dense layers: counted all through, or all but the last. */
function inOrder(names: readonly string[], count: number): readonly string[] {
  const all = counted(names, count);
  if (all.length > 0 || names.length !== count) return all;
  const patterns = names.map(patternOf);
  const [last, ...others] = names.filter(
    (name) => OUTPUT.test(name) && patterns.filter((pattern) => pattern === patternOf(name)).length === 1,
  );
  if (last === undefined || others.length > 0) return [];
  const before = counted(
    names.filter((name) => name !== last),
    count - 1,
  );
  return before.length === count - 1 ? [...before, last] : [];
}

function compareNumbers(a: string, b: string): number {
  const [first, second] = [a, b].map((name) => (name.match(/\d+/g) ?? []).map(Number));
  for (const [index, number] of (first ?? []).entries()) {
    const difference = number - (second?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
