import type { MergedRow } from "../../kernels/combining.ts";
import type { DoublesBlock } from "../methods/method.ts";
import type { FusionPlan } from "../plan.ts";
import { deltasOf } from "./deltas.ts";
import { type Cut, EVERYTHING, keptRanges, NOTHING } from "./selection.ts";
import type { Sparsifier, Thinning } from "./sparsifier.ts";

/** Some elements of a block, in the heap, and which of each input's differences from the base stay there. */
export interface ThinnedPart {
  readonly begin: number;
  readonly end: number;
  readonly rows: readonly Omit<MergedRow, "factor" | "weight">[];
  readonly base: number;
}

/** What a sparsifier leaves of a block, as the kernels take it. Mostly one part. */
export function thinnedRows(
  sparsifier: Sparsifier,
  block: DoublesBlock,
  plan: FusionPlan,
  thinnings: readonly Thinning[],
  cuts: readonly (readonly Cut[])[],
): ThinnedPart[] {
  // Masks that look at the differences come first: `rows` and `row` share memory.
  const masks = masksOf(sparsifier, block, plan, thinnings, cuts);
  const ranges = thinnings.map((_, input) => {
    const { top, bottom } = sparsifier.bounds?.(cuts[input] ?? []) ?? { top: NOTHING, bottom: EVERYTHING };
    return keptRanges(top, bottom, block.first, block.count);
  });
  const cut = ranges.some(({ length }) => length > 1);
  const begins = cut
    ? [...new Set(ranges.flatMap((own) => own.map(({ begin }) => begin)))].toSorted((a, b) => a - b)
    : [0];
  const width = block.format === "F64" ? 8 : 4;
  const { base = 0 } = plan;
  return begins.map((begin, index) => ({
    begin,
    end: begins[index + 1] ?? block.count,
    rows: thinnings.map((_, input) => {
      const mask = masks[input] ?? 0;
      const range = ranges[input]?.findLast((candidate) => candidate.begin <= begin);
      return {
        address: block.row(input) + begin * width,
        mask: mask === 0 ? 0 : mask + begin,
        low: range?.low ?? 0,
        high: range?.high ?? -1,
      };
    }),
    base: block.row(base) + begin * width,
  }));
}

function masksOf(
  sparsifier: Sparsifier,
  block: DoublesBlock,
  plan: FusionPlan,
  thinnings: readonly Thinning[],
  cuts: readonly (readonly Cut[])[],
): number[] {
  if (sparsifier.bounds !== undefined) return thinnings.map(() => 0);
  if (sparsifier.drawn !== undefined) {
    return thinnings.map((thinning, input) => sparsifier.drawn?.(block, input, thinning) ?? 0);
  }
  const deltas = deltasOf(block, plan);
  return thinnings.map((thinning, input) => {
    const address = block.mask(input);
    const keep = new Uint8Array(block.kernels.heap.memory.buffer, address, block.count);
    const own = deltas[input];
    if (own === undefined) throw new RangeError(`there is no input ${input}`);
    sparsifier.select(own, block, thinning, cuts[input] ?? [], keep);
    return address;
  });
}
