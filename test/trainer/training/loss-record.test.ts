import { describe, expect, it } from "vitest";
import { type KnownLoss, LossRecord } from "../../../trainer/training/loss-record.ts";

const LOSSES = Array.from({ length: 50 }, (_, index) => 1 / (index + 3));

function record(): { losses: LossRecord<number>; heard: KnownLoss<number>[] } {
  const heard: KnownLoss<number>[] = [];
  return { losses: new LossRecord((known) => heard.push(known)), heard };
}

describe("LossRecord", () => {
  it("gives losses on in order and to the bit, however they arrive", async () => {
    const [now, later] = [record(), record()];
    for (const [step, loss] of LOSSES.entries()) expect(now.losses.add(step, loss)).toBeUndefined();
    const releases: (() => void)[] = [];
    for (const [step, loss] of LOSSES.entries()) {
      const { promise, resolve } = Promise.withResolvers<number>();
      releases.push(() => resolve(loss));
      const waiting = later.losses.add(step, promise);
      if (waiting === undefined) continue;
      // They become known in the opposite order.
      for (const release of releases.splice(0).toReversed()) release();
      await waiting;
    }
    expect(later.heard.length).toBeGreaterThan(0);
    expect(later.heard.length).toBeLessThan(LOSSES.length);
    for (const release of releases) release();
    await later.losses.settle();
    expect(later.heard).toEqual(now.heard);
    expect(later.losses.sum).toBe(now.losses.sum);
    expect(later.losses.last).toMatchObject({ context: 49, loss: 1 / 52 });
  });

  it("waits before too many are on their way, and hears of one that fails", async () => {
    const { losses } = record();
    let most = 0;
    const never = new Promise<number>(() => undefined);
    while (most < 1000 && losses.add(most, never) === undefined) most++;
    expect(most).toBeLessThan(32);
    const failing = record().losses;
    void failing.add(0, Promise.reject(new Error("the GPU is gone")));
    await expect(failing.settle()).rejects.toThrow("the GPU is gone");
  });

  it("goes on from a saved sum and mean", () => {
    const whole = record();
    for (const [step, loss] of LOSSES.entries()) void whole.losses.add(step, loss);
    const half = record();
    for (const [step, loss] of LOSSES.slice(0, 20).entries()) void half.losses.add(step, loss);
    const rest = new LossRecord<number>(() => undefined, half.losses.sum, half.losses.smoothed);
    for (const [step, loss] of LOSSES.slice(20).entries()) void rest.add(step, loss);
    expect([rest.sum, rest.smoothed]).toEqual([whole.losses.sum, whole.losses.smoothed]);
  });
});
