import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ScheduleSpec } from "../../../trainer/training/regime.ts";
import { learningRateAt } from "../../../trainer/training/schedule.ts";

const PER_EPOCH = 10;
const STEPS = 100;
const FULL = 0.2;

function rates(schedule: ScheduleSpec, perEpoch = PER_EPOCH, steps = STEPS): number[] {
  const regime = { learningRate: FULL, schedule };
  return Array.from({ length: steps }, (_, step) => learningRateAt(regime, step, perEpoch, steps));
}

describe("the learning rate", () => {
  it("stays, where it is constant", () => {
    expect(new Set(rates({ name: "constant", warmupSteps: 0 }))).toEqual(new Set([FULL]));
  });

  it("is multiplied after every so many epochs", () => {
    const actual = rates({ name: "step", everyEpochs: 3, factor: 0.5, warmupSteps: 0 });
    for (const [step, rate] of actual.entries()) expect(rate).toBeCloseTo(FULL / 2 ** Math.floor(step / 30), 15);
    expect([actual[29], actual[30], actual[99]]).toEqual([0.2, 0.1, 0.025]);
  });

  it("falls along half a cosine", () => {
    const actual = rates({ name: "cosine", floor: 0.1, warmupSteps: 0 });
    for (const [step, rate] of actual.entries()) {
      expect(rate).toBeCloseTo(FULL * (0.1 + 0.45 * (1 + Math.cos((Math.PI * step) / STEPS))), 15);
    }
    expect(actual[0]).toBe(FULL);
    expect(actual[50]).toBeCloseTo(FULL * 0.55, 15);
  });

  it("is what PyTorch's CosineAnnealingLR gives", () => {
    // torch.optim.lr_scheduler.CosineAnnealingLR(SGD(lr=0.2), T_max=8, eta_min=0.02): get_last_lr() before each step.
    const torch = [0.2, 0.1931491579, 0.1736396103, 0.1444415089, 0.11, 0.0755584911, 0.0463603897, 0.0268508421];
    const actual = rates({ name: "cosine", floor: 0.1, warmupSteps: 0 }, 4, 8);
    torch.forEach((rate, step) => expect(actual[step]).toBeCloseTo(rate, 9));
  });

  it.each<ScheduleSpec>([
    { name: "constant", warmupSteps: 20 },
    { name: "cosine", floor: 0, warmupSteps: 20 },
    { name: "step", everyEpochs: 5, factor: 0.1, warmupSteps: 20 },
  ])("rises on a straight line while it warms up, never 0, to the full rate: $name", (schedule) => {
    const actual = rates(schedule);
    for (let step = 0; step < 20; step++) expect(actual[step]).toBeCloseTo((FULL * (step + 1)) / 21, 15);
    expect(actual[20]).toBeCloseTo(FULL, 15);
  });

  it("falls along its cosine in the steps that warming up leaves", () => {
    const actual = rates({ name: "cosine", floor: 0, warmupSteps: 20 });
    for (let step = 20; step < STEPS; step++) {
      expect(actual[step]).toBeCloseTo(FULL * 0.5 * (1 + Math.cos((Math.PI * (step - 20)) / 80)), 15);
    }
  });

  it("is a positive number at every step of any run", () => {
    const schedules = fc.oneof(
      fc.record({ name: fc.constant("constant" as const), warmupSteps: fc.nat(50) }),
      fc.record({
        name: fc.constant("step" as const),
        everyEpochs: fc.integer({ min: 1, max: 5 }),
        factor: fc.double({ min: 0.1, max: 1, noNaN: true }),
        warmupSteps: fc.nat(50),
      }),
      fc.record({
        name: fc.constant("cosine" as const),
        floor: fc.double({ min: 0, max: 1, noNaN: true }),
        warmupSteps: fc.nat(50),
      }),
    );
    fc.assert(
      fc.property(
        schedules,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        (schedule, per, epochs) => {
          for (const rate of rates(schedule, per, per * epochs)) {
            expect(rate).toBeGreaterThan(0);
            expect(rate).toBeLessThanOrEqual(FULL * (1 + 1e-15));
          }
        },
      ),
    );
  });
});
