/**
 * The element types of the safetensors format.
 *
 * Order follows the reference implementation (narrowest alignment first); its writer sorts tensors by this rank,
 * descending, so that wide elements come first and every tensor starts aligned.
 * @see https://github.com/huggingface/safetensors/blob/main/safetensors/src/tensor.rs
 */
export const DTYPES = {
  BOOL: { bits: 8, rank: 0, kind: "boolean" },
  F4: { bits: 4, rank: 1, kind: "float" },
  F6_E2M3: { bits: 6, rank: 2, kind: "float" },
  F6_E3M2: { bits: 6, rank: 3, kind: "float" },
  U8: { bits: 8, rank: 4, kind: "integer" },
  I8: { bits: 8, rank: 5, kind: "integer" },
  F8_E5M2: { bits: 8, rank: 6, kind: "float" },
  F8_E4M3: { bits: 8, rank: 7, kind: "float" },
  F8_E8M0: { bits: 8, rank: 8, kind: "float" },
  F8_E4M3FNUZ: { bits: 8, rank: 9, kind: "float" },
  F8_E5M2FNUZ: { bits: 8, rank: 10, kind: "float" },
  I16: { bits: 16, rank: 11, kind: "integer" },
  U16: { bits: 16, rank: 12, kind: "integer" },
  F16: { bits: 16, rank: 13, kind: "float" },
  BF16: { bits: 16, rank: 14, kind: "float" },
  I32: { bits: 32, rank: 15, kind: "integer" },
  U32: { bits: 32, rank: 16, kind: "integer" },
  F32: { bits: 32, rank: 17, kind: "float" },
  C64: { bits: 64, rank: 18, kind: "complex" },
  F64: { bits: 64, rank: 19, kind: "float" },
  I64: { bits: 64, rank: 20, kind: "integer" },
  U64: { bits: 64, rank: 21, kind: "integer" },
} as const satisfies Record<string, { bits: number; rank: number; kind: "boolean" | "integer" | "float" | "complex" }>;

export type Dtype = keyof typeof DTYPES;

export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(DTYPES, name);
}

/** Number of elements of a shape: 1 for rank 0, 0 where any dimension is 0. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Bytes of a tensor, or undefined where its bits do not fill whole bytes or overflow an exact integer. */
export function byteLength(dtype: Dtype, shape: readonly number[]): number | undefined {
  const bits = elementCount(shape) * DTYPES[dtype].bits;
  return Number.isSafeInteger(bits) && bits % 8 === 0 ? bits / 8 : undefined;
}
