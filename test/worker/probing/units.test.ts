import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mostShardBytes, operationsOf, unitsOf, type Workload } from "../../../worker/probing/units.ts";

const workload = fc.record({
  points: fc.integer({ min: 1, max: 60 }),
  shards: fc.array(
    fc.record({ samples: fc.integer({ min: 1, max: 500 }), bytes: fc.integer({ min: 1, max: 6_000_000 }) }),
    {
      minLength: 1,
      maxLength: 12,
    },
  ),
  operationsPerSample: fc.integer({ min: 1, max: 1000 }),
  calibrationSamples: fc.integer({ min: 0, max: 50 }),
  mostPoints: fc.integer({ min: 1, max: 80 }),
});

describe("the units of a probe", () => {
  it("cover every point of every shard once, shard after shard, and can be kept on their own", () => {
    fc.assert(
      fc.property(workload, fc.integer({ min: 1, max: 2_000_000 }), (work: Workload, most) => {
        const units = unitsOf(work, most);
        const next = work.shards.map(() => 0);
        let last = 0;
        for (const { firstShard, lastShard, firstPoint, lastPoint } of units) {
          expect(firstShard).toBeGreaterThanOrEqual(last);
          last = firstShard;
          for (let shard = firstShard; shard <= lastShard; shard++) {
            expect(firstPoint).toBe(next[shard]);
            next[shard] = lastPoint + 1;
          }
        }
        expect(next).toEqual(work.shards.map(() => work.points));
        expect(unitsOf(work, most)).toEqual(units);
      }),
    );
  });

  it("stay within what a unit may take, unless one point of one shard is more", () => {
    fc.assert(
      fc.property(workload, fc.integer({ min: 1, max: 2_000_000 }), (work: Workload, most) => {
        for (const { firstShard, lastShard, firstPoint, lastPoint } of unitsOf(work, most)) {
          const shards = work.shards.slice(firstShard, lastShard + 1);
          const points = lastPoint - firstPoint + 1;
          expect(points).toBeLessThanOrEqual(work.mostPoints);
          const isOne = points === 1 && shards.length === 1;
          if (!isOne) expect(operationsOf({ ...work, shards, points })).toBeLessThanOrEqual(most);
          const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
          expect(bytes).toBeLessThanOrEqual(mostShardBytes(work.shards));
        }
      }),
    );
  });

  it("take small shards together and cut a large one by points", () => {
    const small = { samples: 10, bytes: 1000 };
    const work = { points: 5, shards: [small, small, { samples: 400, bytes: 1000 }, small], operationsPerSample: 1 };
    expect(unitsOf({ ...work, calibrationSamples: 0, mostPoints: 99 }, 800)).toEqual([
      { firstShard: 0, lastShard: 1, firstPoint: 0, lastPoint: 4 },
      { firstShard: 2, lastShard: 2, firstPoint: 0, lastPoint: 1 },
      { firstShard: 2, lastShard: 2, firstPoint: 2, lastPoint: 3 },
      { firstShard: 2, lastShard: 2, firstPoint: 4, lastPoint: 4 },
      { firstShard: 3, lastShard: 3, firstPoint: 0, lastPoint: 4 },
    ]);
  });
});
