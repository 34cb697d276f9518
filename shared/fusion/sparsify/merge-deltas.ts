import type { MergedRow } from "../../kernels/combining.ts";
import { NEGLIGIBLE_TOTAL } from "../methods/weights.ts";
import type { DoublesBlock } from "../methods/method.ts";
import { MagnitudeKeys } from "./selection.ts";
import type { ThinnedPart } from "./thinned-rows.ts";

export interface MergeSettings {
  /** As the recipe has them, and times the factor that makes up for what was dropped. */
  readonly weights: readonly number[];
  readonly scaled: readonly number[];
  readonly lambda: number;
  readonly normalize: boolean;
  readonly elects: boolean;
  /** PEFT: by the number of signs instead of their sum. */
  readonly frequency: boolean;
}

type Rows = readonly Float64Array[];
type Masks = readonly Uint8Array[];

/**
 * mergekit's way: signs are elected on the weighted, thinned differences; what agrees is added, and divided by the
 * weights of those that agree where `normalize` is set. Without an election all survivors are added, and the divisor is the
 * sum of all weights.
 */
export function mergeWeighted({ weights, scaled, lambda, normalize, elects }: MergeSettings): WeightedMerge {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const divisor = normalize && Math.abs(total) >= NEGLIGIBLE_TOTAL ? total : 1;
  const negligible = normalize ? NEGLIGIBLE_TOTAL : Infinity;
  const weigh = (rows: ThinnedPart["rows"]): MergedRow[] =>
    rows.map(({ address, mask, low, high }, i) => {
      return { address, mask, low, high, factor: scaled[i] ?? 0, weight: weights[i] ?? 0 };
    });
  return {
    merge({ kernels, format, scratch, output }, parts) {
      let suspicious = 0;
      for (const { begin, end, rows, base } of parts) {
        const part = { format, scratch, count: end - begin };
        const merged = weigh(rows);
        const result = output + begin * Float64Array.BYTES_PER_ELEMENT;
        if (!elects) {
          suspicious += kernels.mergeAll(part, merged, base, result, lambda, divisor);
        } else if (!kernels.elect(part, merged, base, { format: "F64", address: result }, lambda, negligible)) {
          suspicious += kernels.mergeElected(part, merged, base, result, lambda, negligible);
        }
      }
      return suspicious;
    },
    rounded({ kernels, format, scratch }, parts, address) {
      return parts.every(({ begin, end, rows, base }) => {
        const part = { format, scratch, count: end - begin };
        const result = { format: "F32", address: address + begin * Float32Array.BYTES_PER_ELEMENT } as const;
        return kernels.elect(part, weigh(rows), base, result, lambda, negligible);
      });
    },
  };
}

/** {@link mergeWeighted} with its settings. */
export interface WeightedMerge {
  /** Leaves float64 at the block's `output`. @returns more than 0 where a difference may not be finite */
  merge(block: DoublesBlock, parts: readonly ThinnedPart[]): number;
  /** The same with an election, rounded to float32. @returns whether it could */
  rounded(block: DoublesBlock, parts: readonly ThinnedPart[], address: number): boolean;
}

/** PEFT's way: signs are elected unweighted, and sums divided by the number that agrees. */
export function mergePeft({ scaled, weights, lambda, frequency }: MergeSettings) {
  const inputs = scaled.length;
  return (deltas: Rows, keep: Masks, base: Float64Array, count: number, result: Float64Array): void => {
    for (let at = 0; at < count; at++) {
      let election = 0;
      for (let i = 0; i < inputs; i++) {
        if ((keep[i] as Uint8Array)[at] !== 1) continue;
        const delta = (deltas[i] as Float64Array)[at] as number;
        // A difference that a rescaling has grown votes grown.
        election += frequency ? Math.sign(delta) : delta * growth(scaled[i] as number, weights[i] as number);
      }
      const positive = election >= 0;
      let sum = election === election ? 0 : election;
      let agreeing = 0;
      for (let i = 0; i < inputs; i++) {
        if ((keep[i] as Uint8Array)[at] !== 1) continue;
        const delta = (deltas[i] as Float64Array)[at] as number;
        if (positive ? delta > 0 : delta < 0) {
          sum += (scaled[i] as number) * delta;
          agreeing++;
        }
      }
      const from = base[at] as number;
      result[at] = sum === 0 ? from : from + (lambda * sum) / Math.max(1, agreeing);
    }
  };
}

function growth(scaled: number, weight: number): number {
  return weight === 0 || scaled === weight ? 1 : scaled / weight;
}

const KEYS = new MagnitudeKeys();

/**
 * The original's way: mean of the survivors that have the elected sign.
 * @param thresholds smallest key that survives, by input
 * @param majority sign where an election is a draw
 */
export function mergeOriginal(thresholds: readonly number[], majority: number, lambda: number) {
  return (deltas: Rows, base: Float64Array, count: number, result: Float64Array): void => {
    for (const [i, delta] of deltas.entries()) thin(delta, thresholds[i] ?? 0, count);
    for (let at = 0; at < count; at++) {
      let election = 0;
      for (const delta of deltas) election += delta[at] as number;
      const sign = Math.sign(election) || majority;
      let sum = election === election ? 0 : election;
      let agreeing = 0;
      for (const delta of deltas) {
        const part = delta[at] as number;
        if (sign >= 0 ? part > 0 : part < 0) {
          sum += part;
          agreeing++;
        }
      }
      const from = base[at] as number;
      result[at] = sum === 0 ? from : from + (lambda * sum) / Math.max(1, agreeing);
    }
  };
}

/** Sets what lies below a threshold to zero. */
export function thin(deltas: Float64Array, threshold: number, count: number): void {
  const keys = KEYS.of(deltas.length === count ? deltas : deltas.subarray(0, count));
  for (let at = 0; at < count; at++) if ((keys[at] as number) < threshold) deltas[at] = 0;
}
