import { describe, expect, it } from "vitest";
import { MemoryBudget } from "../../../shared/memory-budget.ts";
import { LeasedCache } from "../../../worker/engine/leased-cache.ts";

const never = () => Promise.reject(new Error("it should be there"));

describe("a leased cache", () => {
  it("loads once, however many ask, and keeps what was used last within its share", async () => {
    const budget = new MemoryBudget(100);
    const cache = new LeasedCache<string>(budget, 50);
    let loads = 0;
    const load = async () => `value ${++loads}`;
    const both = await Promise.all([cache.use("a", 20, load), cache.use("a", 20, load)]);
    expect(both.map(({ value }) => value)).toEqual(["value 1", "value 1"]);
    expect(budget.usedBytes).toBe(20);
    for (const held of both) held.release();
    (await cache.use("b", 20, load)).release();
    // The third is too much: the one that was not used for the longest time goes.
    (await cache.use("a", 20, never)).release();
    (await cache.use("c", 20, load)).release();
    expect([cache.size, cache.bytes, budget.usedBytes]).toEqual([2, 40, 40]);
    (await cache.use("a", 20, never)).release();
    const again = await cache.use("b", 20, load);
    expect(again.value).toBe("value 4");
    again.release();
    again.release();
    expect(budget.highWaterBytes).toBeLessThanOrEqual(60);
  });

  it("gives way to whoever needs the memory, but for what is in use", async () => {
    const budget = new MemoryBudget(100);
    const cache = new LeasedCache<string>(budget, 100);
    const used = await cache.use("used", 30, async () => "used");
    (await cache.use("old", 30, async () => "old")).release();
    (await cache.use("new", 30, async () => "new")).release();
    const lease = budget.take(40);
    expect([cache.size, budget.usedBytes]).toEqual([2, 100]);
    (await cache.use("new", 30, never)).release();
    expect(() => budget.take(31)).toThrow(expect.objectContaining({ code: "over-budget" }));
    expect(cache.size).toBe(1);
    lease.release();
    used.release();
    expect(budget.take(100).bytes).toBe(100);
    expect(cache.size).toBe(0);
  });

  it("keeps nothing of what could not be loaded", async () => {
    const budget = new MemoryBudget(100);
    const cache = new LeasedCache<string>(budget, 100);
    const failing = () => cache.use("a", 60, () => Promise.reject(new Error("no")));
    const outcomes = await Promise.allSettled([failing(), failing()]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect([cache.size, budget.usedBytes]).toEqual([0, 0]);
    await expect(cache.use("b", 101, never)).rejects.toMatchObject({ code: "over-budget" });
    (await cache.use("a", 60, async () => "yes")).release();
    expect(budget.usedBytes).toBe(60);
  });
});
