import type { DoublesBlock, Json, Reduction } from "./methods/method.ts";
import type { FusionPlan } from "./plan.ts";

/** Dot products of all pairs of vectors: symmetric, row by row. */
export type GramMatrix = readonly (readonly number[])[];

/**
 * Gram matrix of a tensor's inputs, or of their differences from the base, in float64. Differences are taken element by
 * element, so nothing cancels that would not cancel by hand. Positions where any input is not finite count as zero.
 */
export function* reduceGram(plan: FusionPlan, of: "inputs" | "deltas"): Reduction {
  const { members } = plan;
  const sums = new Float64Array((members * (members + 1)) / 2);
  yield (block) => {
    const addresses = Array.from({ length: members }, (_, input) => block.row(input));
    const base = of === "deltas" && plan.base !== undefined ? block.row(plan.base) : 0;
    let products = block.kernels.products(block, addresses, base);
    if (!products.every(Number.isFinite)) {
      const rows = vectorsOf(block, plan, of);
      dropNonFinite(rows, block.count);
      products = productsOf(rows, block.count);
    }
    for (const [index, product] of products.entries()) sums[index] = (sums[index] as number) + product;
  };
  return [...sums];
}

/** The vectors that a block's rows hold: the inputs, with the base subtracted in place where deltas are asked for. */
export function vectorsOf(
  { rows, count }: Pick<DoublesBlock, "rows" | "count">,
  { members, base }: FusionPlan,
  of: "inputs" | "deltas",
): readonly Float64Array<ArrayBuffer>[] {
  const vectors = rows.slice(0, members);
  const from = base === undefined ? undefined : rows[base];
  if (of === "deltas" && from !== undefined) for (const vector of vectors) subtract(vector, from, 0, count);
  return vectors;
}

export function subtract(a: Float64Array, b: Float64Array, begin: number, end: number): void {
  for (let at = begin; at < end; at++) a[at] = (a[at] as number) - (b[at] as number);
}

/** What the kernels compute, where something had to be dropped. */
function productsOf(rows: readonly Float64Array[], count: number): Float64Array<ArrayBuffer> {
  const products = rows.flatMap((a, i) => rows.slice(0, i + 1).map((b) => dot(a, b, 0, count)));
  return new Float64Array(products);
}

/** Sets to zero all positions at which any of the vectors is not finite. */
export function dropNonFinite(rows: readonly Float64Array[], count: number): void {
  for (let at = 0; at < count; at++) {
    if (rows.some((row) => !Number.isFinite(row[at]))) for (const row of rows) row[at] = 0;
  }
}

/** Σ a·b over a range, in four interleaved sums: the order is part of the result. */
export function dot(a: Float64Array, b: Float64Array, begin: number, end: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let at = begin;
  for (; at + 4 <= end; at += 4) {
    s0 += (a[at] as number) * (b[at] as number);
    s1 += (a[at + 1] as number) * (b[at + 1] as number);
    s2 += (a[at + 2] as number) * (b[at + 2] as number);
    s3 += (a[at + 3] as number) * (b[at + 3] as number);
  }
  for (; at < end; at++) s0 += (a[at] as number) * (b[at] as number);
  return s0 + s1 + (s2 + s3);
}

/** Gram matrix of a piece of vectors that is at hand. */
export function gramOf(rows: readonly Float64Array[], begin: number, end: number): GramMatrix {
  const matrix = rows.map(() => rows.map(() => 0));
  for (const [i, a] of rows.entries()) {
    for (let j = 0; j <= i; j++) {
      const product = dot(a, rows[j] as Float64Array, begin, end);
      (matrix[i] as number[])[j] = product;
      (matrix[j] as number[])[i] = product;
    }
  }
  return matrix;
}

/** The matrix that {@link reduceGram} returned as its lower triangle. */
export function readGram(statistic: Json | undefined, members: number): GramMatrix {
  const triangle = statistic as readonly number[];
  const at = (i: number, j: number) => (triangle[(i * (i + 1)) / 2 + j] ?? 0) as number;
  return Array.from({ length: members }, (_, i) =>
    Array.from({ length: members }, (__, j) => (i >= j ? at(i, j) : at(j, i))),
  );
}

/** Whether all vectors are one and the same. Equal vectors have bit-equal products, since these are summed alike. */
export function allEqual(gram: GramMatrix): boolean {
  const first = gram[0]?.[0];
  return gram.every((row) => row.every((product) => product === first));
}

/** a'Gb */
export function innerProduct(gram: GramMatrix, a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (const [i, row] of gram.entries()) {
    for (const [j, product] of row.entries()) sum += (a[i] ?? 0) * product * (b[j] ?? 0);
  }
  return sum;
}
