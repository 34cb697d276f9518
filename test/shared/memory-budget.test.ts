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

it("asks whoever can do without for what is missing, and no more than that", () => {
  const budget = new MemoryBudget(100);
  const asked: [string, number][] = [];
  const spare = budget.take(30);
  budget.onPressure((missing) => {
    asked.push(["first", missing]);
    spare.release();
  });
  budget.onPressure((missing) => void asked.push(["second", missing]));
  budget.take(70);
  expect(asked).toEqual([]);
  budget.take(20);
  expect([asked, budget.usedBytes]).toEqual([[["first", 20]], 90]);
  expect(() => budget.take(15)).toThrow(expect.objectContaining({ code: "over-budget" }));
  // What can never be had is asked of nobody.
  expect(() => budget.take(101)).toThrow(expect.objectContaining({ code: "over-budget" }));
  expect(asked).toEqual([
    ["first", 20],
    ["first", 5],
    ["second", 5],
  ]);
});
