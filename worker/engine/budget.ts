import { MemoryBudget } from "../../shared/memory-budget.ts";

let budget: MemoryBudget | undefined;

/**
 * The isolate's one account of memory, shared by all its requests.
 * @param limitBytes taken from the first request; a deployment's limits do not change while it runs
 */
export function isolateBudget(limitBytes: number): MemoryBudget {
  budget ??= new MemoryBudget(limitBytes);
  return budget;
}
