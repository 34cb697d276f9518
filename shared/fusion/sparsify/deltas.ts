import { subtract } from "../gram.ts";
import type { DoublesBlock } from "../methods/method.ts";
import type { FusionPlan } from "../plan.ts";
import type { SearchedRow } from "./cut-search.ts";

/** Differences from the base, in the inputs' place. */
export function deltasOf(block: DoublesBlock, plan: FusionPlan): readonly Float64Array<ArrayBuffer>[] {
  const base = baseOf(block, plan);
  const deltas = block.rows.slice(0, plan.members);
  for (const delta of deltas) subtract(delta, base, 0, block.count);
  return deltas;
}

export function baseOf({ rows }: DoublesBlock, { base = 0 }: FusionPlan): Float64Array<ArrayBuffer> {
  const row = rows[base];
  if (row === undefined) throw new RangeError("there is no base");
  return row;
}

/** The same for the kernels, which subtract while they read. */
export function deltaRow(block: DoublesBlock, { base = 0 }: FusionPlan, input: number): SearchedRow {
  const { format, count, scratch, first } = block;
  return { format, count, scratch, first, address: block.row(input), base: block.row(base) };
}
