import { expect, it } from "vitest";
import { MemoryBudget } from "../../shared/memory-budget.ts";

it("books, gives back once, and remembers the peak", () => {
  const budget = new MemoryBudget(100);
  const first = budget.take(60);
  const second = budget.take(40);
  expect(() => budget.take(1)).toThrow(
    expect.objectContaining({
      code: "over-budget",
      status: 503,
      members: { neededBytes: 1, freeBytes: 0, limitBytes: 100 },
    }) as Error,
  );
  first.release();
  first.release();
  expect(budget.usedBytes).toBe(40);
  second.release();
  expect([budget.usedBytes, budget.highWaterBytes]).toEqual([0, 100]);
});
