import fc from "fast-check";
import { expect, it } from "vitest";
import type { EvaluationSums } from "../../../shared/evaluation/sums.ts";
import { OpenShards } from "../../../worker/probing/running-totals.ts";
import { unitsOf } from "../../../worker/probing/units.ts";

it("shards that are evaluated together come out one by one, whole and in order, however their points are cut", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 130 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 140 }),
      fc.integer({ min: 1, max: 100_000 }),
      (points, count, mostPoints, mostOperations) => {
        const shards = Array.from({ length: count }, () => ({ samples: 10, bytes: 100 }));
        const work = { points, shards, operationsPerSample: 1, calibrationSamples: 0, mostPoints };
        const open = new OpenShards(points);
        const found: string[] = [];
        for (const unit of unitsOf(work, mostOperations)) {
          for (let shard = unit.firstShard; shard <= unit.lastShard; shard++) {
            // What a sum is of is all that matters here.
            const sums = [];
            for (let point = unit.firstPoint; point <= unit.lastPoint; point++) sums.push(`${shard}:${point}`);
            const whole = open.take(shard, sums as unknown as EvaluationSums[]) as unknown as string[] | undefined;
            found.push(...(whole ?? []));
          }
        }
        const all = shards.flatMap((_, shard) => Array.from({ length: points }, (__, point) => `${shard}:${point}`));
        expect(found).toEqual(all);
      },
    ),
  );
});
