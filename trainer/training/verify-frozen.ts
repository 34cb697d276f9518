import type { Weights } from "../../shared/models/weights.ts";

/**
 * Checks that frozen entries still have the bits they began with, which is what fusion relies on.
 * @returns a sentence about the first entry that moved, or undefined where none did
 */
export function findMovedAnchor(
  initial: Weights,
  trained: Weights,
  masks: ReadonlyMap<string, Uint8Array>,
): string | undefined {
  for (const [name, mask] of masks) {
    const before = bitsOf(initial.get(name)?.values);
    const after = bitsOf(trained.get(name)?.values);
    if (before.length !== mask.length || after.length !== mask.length) return `${name} has not the size of its mask`;
    const moved = mask.findIndex((frozen, index) => frozen === 1 && before[index] !== after[index]);
    if (moved !== -1) return `frozen element ${moved} of ${name} moved from its initial value`;
  }
  return undefined;
}

function bitsOf(values: Float32Array<ArrayBuffer> | undefined): Uint32Array {
  if (values === undefined) return new Uint32Array(0);
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}
