import type { TensorInfo } from "../safetensors/index.ts";

/** The tensor of a PyTorch file that holds a weight. */
export interface PytorchSource {
  readonly tensor: string;
  /** Which rows of it, where several weights share one tensor: from the first to before the last. */
  readonly rows?: readonly [number, number];
  /** A tensor that is subtracted from it: the bias of the convolution before a batch normalisation. */
  readonly less?: string;
}

/**
 * Finds tensors by the first of several names that the file has. A folder that all names share, such as `module.` of
 * data-parallel training, is passed over.
 */
export class TensorFinder {
  readonly #names: ReadonlySet<string>;
  readonly #prefix: string;

  constructor(tensors: readonly TensorInfo[]) {
    const names = tensors.map(({ name }) => name);
    this.#names = new Set(names);
    this.#prefix = sharedFolder(names);
  }

  /** The first of these names that the file has, as the file has it. */
  first(candidates: readonly string[]): string | undefined {
    const found = candidates.find((candidate) => this.#names.has(this.#prefix + candidate));
    return found === undefined ? undefined : this.#prefix + found;
  }

  /** The same for a module, by its tensor of that role: `fc` where there is `fc.weight`. */
  module(candidates: readonly string[], role = "weight"): string | undefined {
    return this.first(candidates.map((candidate) => `${candidate}.${role}`))?.slice(0, -role.length - 1);
  }
}

function sharedFolder(names: readonly string[]): string {
  const [first = ""] = names;
  let prefix = "";
  for (let dot = first.indexOf("."); dot !== -1; dot = first.indexOf(".", dot + 1)) {
    const folder = first.slice(0, dot + 1);
    if (!names.every((name) => name.startsWith(folder))) break;
    prefix = folder;
  }
  return prefix;
}
