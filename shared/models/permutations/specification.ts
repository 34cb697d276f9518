/**
 * How the entries along one axis of a weight move when units are permuted: the units of the groups side by side, each
 * `inner` entries wide, and all of that `outer` times over.
 *
 * Entry `(o * units + u) * inner + i` belongs to unit u. A plain axis has `outer` and `inner` 1. A dense layer behind a
 * flattened map of h x w positions has `outer` h w (each position has all channels), a projection onto attention heads of
 * d entries has `inner` d.
 */
export interface AxisPermutation {
  readonly groups: readonly [string, ...string[]];
  readonly outer: number;
  readonly inner: number;
}

/** The axes of one weight; `null` where an axis stays as it is: inputs, kernel positions, classes. */
export type WeightAxes = readonly (AxisPermutation | null)[];

/** Which permutations of units leave a network's function as it is, as data. */
export interface PermutationSpec {
  /** Units of each group. */
  readonly groups: Readonly<Record<string, number>>;
  /** Every weight of the architecture, by name. */
  readonly weights: Readonly<Record<string, WeightAxes>>;
}

/** A specification in the making. */
export interface SpecDraft {
  readonly groups: Record<string, number>;
  readonly weights: Record<string, WeightAxes>;
}

/** A plain axis. */
export function units(...groups: [string, ...string[]]): AxisPermutation {
  return { groups, outer: 1, inner: 1 };
}

/** A dense layer: kernel [in, out], bias [out]. */
export function addDense(
  { weights }: SpecDraft,
  layer: string,
  inputs: AxisPermutation | null,
  outputs: AxisPermutation | null,
): void {
  weights[`${layer}/kernel`] = [inputs, outputs];
  weights[`${layer}/bias`] = [outputs];
}

/** A norm over channels: one scale and shift each, and for batch normalisation the running statistics. */
export function addNorm(
  { weights }: SpecDraft,
  layer: string,
  norm: "none" | "layer" | "batch",
  channels: AxisPermutation,
): void {
  const roles = { none: [], layer: ["gamma", "beta"], batch: ["gamma", "beta", "moving_mean", "moving_variance"] };
  for (const role of roles[norm]) weights[`${layer}/${role}`] = [channels];
}
