/**
 * Solves A·X = B for several B by Cholesky's factorization, in float64.
 * @param a symmetric, positive definite, row-major; overwritten
 * @param rightSides `size` x `size` matrices; overwritten with the solutions, and returned
 * @returns undefined where A is not positive definite
 */
export function solvePositive(
  a: Float64Array,
  size: number,
  rightSides: readonly Float64Array[],
): readonly Float64Array[] | undefined {
  for (let j = 0; j < size; j++) {
    for (let k = 0; k < j; k++) {
      const factor = a[j * size + k] as number;
      for (let i = j; i < size; i++) {
        a[i * size + j] = (a[i * size + j] as number) - factor * (a[i * size + k] as number);
      }
    }
    const pivot = a[j * size + j] as number;
    if (!(pivot > 0)) return undefined;
    const root = Math.sqrt(pivot);
    for (let i = j; i < size; i++) a[i * size + j] = (a[i * size + j] as number) / root;
  }
  for (const b of rightSides) {
    for (let i = 0; i < size; i++) {
      for (let k = 0; k < i; k++) eliminate(b, size, i, k, a[i * size + k] as number);
      scaleRow(b, size, i, a[i * size + i] as number);
    }
    for (let i = size - 1; i >= 0; i--) {
      for (let k = i + 1; k < size; k++) eliminate(b, size, i, k, a[k * size + i] as number);
      scaleRow(b, size, i, a[i * size + i] as number);
    }
  }
  return rightSides;
}

function eliminate(b: Float64Array, size: number, row: number, other: number, factor: number): void {
  if (factor === 0) return;
  for (let at = 0; at < size; at++) {
    b[row * size + at] = (b[row * size + at] as number) - factor * (b[other * size + at] as number);
  }
}

function scaleRow(b: Float64Array, size: number, row: number, divisor: number): void {
  for (let at = 0; at < size; at++) b[row * size + at] = (b[row * size + at] as number) / divisor;
}
