import type { AveragingKernels } from "../kernels/averaging.ts";
import type { MemoryBudget } from "../memory-budget.ts";

/** What a fusion runs on. */
export interface FusionEngine {
  readonly kernels: AveragingKernels;
  /** Every buffer of every fusion on this engine is booked here, heap blocks included. */
  readonly budget: MemoryBudget;
}
