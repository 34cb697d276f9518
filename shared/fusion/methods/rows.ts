import { dropNonFinite, type GramMatrix, gramOf, vectorsOf } from "../gram.ts";
import type { FusionPlan, PlannedTensor } from "../plan.ts";
import type { DoublesBlock, ElementRule } from "./method.ts";

/** Which elements of a run make up one vector: `stride` apart, `length` of them, beside `stride` others in the run. */
export interface VectorLayout {
  readonly length: number;
  readonly stride: number;
}

/** Vectors along an axis: for the last one, rows that follow each other. A scalar is a vector of one. */
export function vectorsAlong(shape: readonly number[], axis: number): VectorLayout {
  return { length: shape[axis] ?? 1, stride: shape.slice(axis + 1).reduce((product, size) => product * size, 1) };
}

/**
 * A linear combination for each vector by itself, with coefficients that follow from its own Gram matrix.
 * @param of with a base: `deltas` combines differences from it, and adds it to the sum
 */
export function combineVectors(
  plan: FusionPlan,
  layout: VectorLayout,
  of: "inputs" | "deltas",
  coefficients: (gram: GramMatrix) => readonly number[],
): ElementRule {
  const { base } = plan;
  const { length, stride } = layout;
  const gathered = Array.from({ length: plan.members }, () => new Float64Array(stride === 1 ? 0 : length));
  return (block: DoublesBlock, result) => {
    const vectors = vectorsOf(block, plan, of);
    const from = of === "deltas" && base !== undefined ? block.rows[base] : undefined;
    for (let run = 0; run < block.count; run += length * stride) {
      for (let lane = 0; lane < stride; lane++) {
        const begin = run + lane;
        let gram =
          stride === 1
            ? gramOf(vectors, begin, begin + length)
            : gramOf(gather(vectors, gathered, begin, layout), 0, length);
        if (!gram.every((row) => row.every(Number.isFinite))) {
          // What is not finite spoils its own element, not its vector.
          const copies = vectors.map(() => new Float64Array(length));
          gather(vectors, copies, begin, layout);
          dropNonFinite(copies, length);
          gram = gramOf(copies, 0, length);
        }
        const factors = coefficients(gram);
        for (let step = 0, at = begin; step < length; step++, at += stride) {
          let sum = 0;
          for (let i = 0; i < vectors.length; i++) {
            const factor = factors[i] as number;
            if (factor !== 0) sum += factor * (vectors[i]?.[at] as number);
          }
          result[at] = from === undefined ? sum : sum === 0 ? (from[at] as number) : (from[at] as number) + sum;
        }
      }
    }
  };
}

function gather(
  vectors: readonly Float64Array[],
  into: readonly Float64Array<ArrayBuffer>[],
  begin: number,
  { length, stride }: VectorLayout,
): readonly Float64Array[] {
  for (const [index, vector] of vectors.entries()) {
    const target = into[index] as Float64Array;
    for (let step = 0; step < length; step++) target[step] = vector[begin + step * stride] as number;
  }
  return into;
}

/** Elements of one index of the first axis; of a vector, all. */
export function rowElements(shape: PlannedTensor["shape"]): number {
  return shape.slice(shape.length > 1 ? 1 : 0).reduce((product, size) => product * size, 1);
}
