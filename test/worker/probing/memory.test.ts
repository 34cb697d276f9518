import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Problem } from "../../../shared/problem.ts";
import { planMemory } from "../../../worker/probing/memory.ts";

const MIB = 2 ** 20;
const SMALL = {
  endpoints: 2,
  weights: 500_000,
  file: 500_000,
  shards: 400_000,
  tallies: 10_000,
  calibration: 0,
  activations: 100_000,
};

describe("the memory of an evaluation", () => {
  it("is within the budget, at the largest batch that fits", () => {
    const sizes = fc.record({
      endpoints: fc.integer({ min: 1, max: 16 }),
      weights: fc.integer({ min: 4, max: 8 * MIB }),
      file: fc.integer({ min: 8, max: 8 * MIB }),
      shards: fc.integer({ min: 1, max: 16 * MIB }),
      tallies: fc.integer({ min: 0, max: MIB }),
      calibration: fc.integer({ min: 0, max: MIB }),
      activations: fc.integer({ min: 4, max: 4 * MIB }),
    });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 4096 }), (given, batch) => {
        try {
          const plan = planMemory(given, 64 * MIB, batch);
          expect(plan.peak).toBeLessThanOrEqual(64 * MIB);
          expect(plan.heap + plan.samples + given.tallies + plan.activations).toBeLessThanOrEqual(plan.peak);
          expect(plan.batch).toBeGreaterThanOrEqual(1);
          expect(plan.batch).toBeLessThanOrEqual(batch);
          expect(plan.activations).toBe(plan.batch * given.activations);
        } catch (error) {
          const { code, members } = error as Problem;
          expect(code).toBe("too-large-for-isolate");
          expect(members["neededBytes"]).toBeGreaterThan(64 * MIB);
        }
      }),
    );
  });

  it("sizes the batch by the budget, and never beyond what was asked for", () => {
    expect(planMemory({ ...SMALL, activations: 500_000 }, 64 * MIB).batch).toBe(Math.floor((16 * MIB) / 500_000));
    expect(planMemory(SMALL, 64 * MIB, 7).batch).toBe(7);
    expect(planMemory({ ...SMALL, activations: 40 }, 64 * MIB).batch).toBe(64);
    expect(planMemory(SMALL, 16 * MIB).batch).toBeLessThan(planMemory(SMALL, 64 * MIB).batch);
  });

  it("says by how much it is exceeded", () => {
    const large = { ...SMALL, weights: 20 * MIB, file: 20 * MIB };
    try {
      planMemory(large, 64 * MIB);
      expect.unreachable();
    } catch (error) {
      const { members, message } = error as Problem;
      expect(members).toMatchObject({
        limitBytes: 64 * MIB,
        weightBytes: 20 * MIB,
        endpoints: 2,
        activationBytesPerSample: 100_000,
        shardBytes: 400_000,
      });
      expect(message).toContain(String(members["neededBytes"]));
      expect(message).toContain(String(64 * MIB));
    }
  });
});
