import type { FusionEngine } from "../../shared/fusion/index.ts";
import { AveragingKernels } from "../../shared/kernels/averaging.ts";
import { MemoryBudget } from "../../shared/memory-budget.ts";
import { compileKernels, startWasmHeap } from "./wasm-heap.ts";

const KERNELS = new URL("../../shared/kernels/build/averaging.wasm", import.meta.url);

/**
 * Starts the engine that fuses: the same kernels in the same tfjs heap as in the worker. Once a thread, because tfjs's
 * backend is global to it.
 * @param budgetBytes what all fusions on it may hold at a time
 * @throws Error where the kernels are not built, or the runtime cannot run them
 */
export async function startAveragingEngine(budgetBytes: number): Promise<FusionEngine> {
  const [heap, module] = await Promise.all([startWasmHeap(), compileKernels(KERNELS)]);
  return { kernels: new AveragingKernels(heap, module), budget: new MemoryBudget(budgetBytes) };
}
