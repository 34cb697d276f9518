import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenBuckets } from "../../../worker/auth/token-buckets.ts";

const MINUTE = 60_000;

describe("a token bucket", () => {
  it("allows a burst as large as its limit, then refuses and says for how long", () => {
    const buckets = new TokenBuckets(MINUTE);
    const burst = Array.from({ length: 10 }, () => buckets.take("a", 10, 1000));
    expect(burst.map(({ remaining }) => remaining)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    expect(burst.every(({ isAllowed }) => isAllowed)).toBe(true);
    expect(buckets.take("a", 10, 1000)).toEqual({ isAllowed: false, remaining: 0, resetSeconds: 60, retrySeconds: 6 });
    expect(buckets.peek("a", 10, 1000).isAllowed).toBe(false);
  });

  it("allows again after as long as it said, and is full after its window", () => {
    const buckets = new TokenBuckets(MINUTE);
    for (let taken = 0; taken < 10; taken++) buckets.take("a", 10, 0);
    const { retrySeconds } = buckets.take("a", 10, 0);
    expect(buckets.take("a", 10, retrySeconds * 1000 - 1).isAllowed).toBe(false);
    expect(buckets.take("a", 10, retrySeconds * 1000).isAllowed).toBe(true);
    expect(buckets.peek("a", 10, 2 * MINUTE)).toEqual({
      isAllowed: true,
      remaining: 10,
      resetSeconds: 0,
      retrySeconds: 0,
    });
  });

  it("keeps principals apart, and holds no more buckets than it may", () => {
    const buckets = new TokenBuckets(MINUTE, 2);
    expect(buckets.take("a", 1, 0).isAllowed).toBe(true);
    expect(buckets.take("b", 1, 0).isAllowed).toBe(true);
    expect(buckets.take("a", 1, 0).isAllowed).toBe(false);
    // c pushes b out, which was used longest ago.
    expect(buckets.take("c", 1, 0).isAllowed).toBe(true);
    expect(buckets.take("a", 1, 0).isAllowed).toBe(false);
    expect(buckets.take("b", 1, 0).isAllowed).toBe(true);
  });

  it("never allows more than the limit and what the time since has filled, whatever the clock does", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.integer({ min: -500, max: 5000 }), { minLength: 1, maxLength: 200 }),
        (limit, steps) => {
          const buckets = new TokenBuckets(MINUTE);
          let at = 0;
          let allowed = 0;
          let forward = 0;
          for (const step of steps) {
            at += step;
            forward += Math.max(0, step);
            if (buckets.take("a", limit, at).isAllowed) allowed++;
          }
          expect(allowed).toBeLessThanOrEqual(limit + (forward / MINUTE) * limit + 1e-6);
        },
      ),
    );
  });
});
