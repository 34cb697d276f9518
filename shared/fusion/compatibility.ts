import { Problem } from "../problem.ts";
import type { TensorInfo } from "../safetensors/index.ts";
import type { FusionInput } from "./source.ts";

/** One way in which an input departs from the first. */
export interface Difference {
  /** Digest of the checkpoint. */
  readonly input: string;
  readonly tensor: string;
  readonly what: string;
}

const LISTED_DIFFERENCES = 20;

/**
 * Checks that all inputs hold the same tensors: names, shapes, dtypes. Order and place in the file are free.
 * @returns the tensors of each input by name, in the order of `inputs`
 * @throws Problem `incompatible-inputs` with `differences` (at most 20) and their `total`
 */
export function matchTensors(inputs: readonly FusionInput[]): ReadonlyMap<string, TensorInfo>[] {
  const byName = inputs.map(({ header }) => new Map(header.tensors.map((tensor) => [tensor.name, tensor])));
  const [reference] = byName;
  if (reference === undefined) return [];
  const differences: Difference[] = [];
  let total = 0;
  const report = (difference: Difference) => {
    total++;
    if (differences.length < LISTED_DIFFERENCES) differences.push(difference);
  };
  for (const [index, tensors] of byName.entries()) {
    const input = inputs[index]?.id ?? "";
    for (const [name, expected] of reference) {
      const found = tensors.get(name);
      if (found === undefined) {
        report({ input, tensor: name, what: "is missing" });
        continue;
      }
      if (found.shape.join() !== expected.shape.join()) {
        report({ input, tensor: name, what: `has shape [${found.shape}], the first input has [${expected.shape}]` });
      }
      if (found.dtype !== expected.dtype) {
        report({ input, tensor: name, what: `has dtype ${found.dtype}, the first input has ${expected.dtype}` });
      }
    }
    for (const name of tensors.keys()) {
      if (!reference.has(name)) report({ input, tensor: name, what: "is not in the first input" });
    }
  }
  const [first] = differences;
  if (first !== undefined) {
    throw new Problem(
      "incompatible-inputs",
      `The inputs differ in ${total} ${total === 1 ? "place" : "places"}; ` +
        `the first: ${JSON.stringify(first.tensor)} of ${first.input} ${first.what}.`,
      { differences, total },
    );
  }
  return byName;
}
