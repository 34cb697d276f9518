import type { MemoryBudget, MemoryLease } from "../memory-budget.ts";
import { Problem } from "../problem.ts";
import { widestOf } from "./chunk-reads.ts";
import type { FusionPlan } from "./plan.ts";
import { longestRun, workspaceBytes } from "./workspace.ts";

/** Of each input, two chunks are in memory: one being computed, one being read. */
const CHUNKS_PER_INPUT = 2;
/** Each read of a bucket costs something of its own: 1 MiB took a sixth longer through workerd (measured). */
const LARGEST_CHUNK = 4 * 1024 * 1024;
const SMALLEST_CHUNK = 16 * 1024;
const DEFAULT_SHARE = 4;

/** A chunk size with which one fusion takes no more than a quarter of the budget: up to 4 MiB, or a small file whole. */
export function defaultChunkBytes(plan: FusionPlan, { budget }: { readonly budget: MemoryBudget }, unit = 0): number {
  const share = budget.limitBytes / DEFAULT_SHARE - workspaceBytes(plan, unit);
  const fitting = Math.floor(share / (CHUNKS_PER_INPUT * plan.inputs.length + 1));
  const whole = plan.tensors.reduce((sum, tensor) => sum + tensor.elements * widestOf(tensor), 0);
  return Math.min(LARGEST_CHUNK, Math.max(SMALLEST_CHUNK, Math.min(fitting, whole)));
}

/**
 * Bytes that a fusion books while it runs.
 * @param unit elements that must come together beside the method's runs: those of a block of statistics
 */
export function fusionBytes(plan: FusionPlan, chunkBytes: number, unit = 0): number {
  const least = Math.max(
    ...plan.tensors.map((tensor) => widestOf(tensor) * Math.min(Math.max(unit, tensor.run), tensor.elements)),
    8,
  );
  const tables = plan.compute.kind === "elementwise" ? (plan.compute.tableBytes?.(plan) ?? 0) : 0;
  return (
    workspaceBytes(plan, unit) + tables + (CHUNKS_PER_INPUT * plan.inputs.length + 1) * Math.max(chunkBytes, least)
  );
}

/**
 * Books what a fusion takes.
 * @throws Problem `too-large-for-isolate` where it can never fit: a tensor that must be held whole, or the tables of many
 *   inputs; `over-budget` where it does not fit just now
 */
export function bookFusion(plan: FusionPlan, budget: MemoryBudget, bytes: number): MemoryLease {
  if (bytes <= budget.limitBytes) return budget.take(bytes);
  const run = longestRun(plan);
  const numbers = { neededBytes: bytes, limitBytes: budget.limitBytes };
  if (run === 1) {
    const what = `${plan.method.id} of ${plan.inputs.length} files needs ${bytes} bytes; there are ${budget.limitBytes}.`;
    throw new Problem("too-large-for-isolate", what, { files: plan.inputs.length, ...numbers });
  }
  const tensor = plan.tensors.find((candidate) => candidate.run === run);
  throw new Problem(
    "too-large-for-isolate",
    `${plan.method.id} needs ${run} elements of tensor ${JSON.stringify(tensor?.name)} at once, and so ${bytes} bytes; ` +
      `there are ${budget.limitBytes}.`,
    { tensor: tensor?.name, ...numbers },
  );
}
