/**
 * The index of the layer that a tensor belongs to, read off its name: the first part (between `.` and `/`) that is a
 * whole number, as in `model.layers.12.mlp.weight`, or else the first that ends in `_` and a number, as in
 * `hidden_3/kernel`. Undefined where there is neither: embeddings, final norms and heads.
 */
export function layerIndexOf(tensor: string): number | undefined {
  const parts = tensor.split(/[./]/);
  const plain = parts.find((part) => /^\d{1,9}$/.test(part));
  const found = plain ?? parts.map((part) => /_(\d{1,9})$/.exec(part)?.[1]).find((digits) => digits !== undefined);
  return found === undefined ? undefined : Number(found);
}

/**
 * Where each tensor stands among the layers, for gradients: layer j of L (the largest index and one) at j / (L - 1), a
 * lone layer at 1, and tensors outside of every layer at 0, as mergekit has it. So a gradient's first number also holds
 * for embeddings and for the head; patterns say otherwise where that is not wanted.
 */
export function layerPositions(tensors: readonly string[]): ReadonlyMap<string, number> {
  const indices = tensors.map((name) => [name, layerIndexOf(name)] as const);
  const last = indices.reduce((largest, [, index]) => Math.max(largest, index ?? 0), 0);
  return new Map(indices.map(([name, index]) => [name, index === undefined ? 0 : last === 0 ? 1 : index / last]));
}
