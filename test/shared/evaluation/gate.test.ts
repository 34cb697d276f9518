import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gateForm } from "../../../shared/api/gates.ts";
import { type GateFacts, gateMeasures, judgeGate } from "../../../shared/evaluation/gate.ts";

const facts: GateFacts = {
  path: { accuracyBarrier: 0.1, lossBarrier: 0.4 },
  parents: [
    { id: "a", accuracy: 0.9, loss: 0.3 },
    { id: "b", accuracy: 0.8, loss: 0.5 },
  ],
  shares: [0.75, 0.25],
  model: { accuracy: 0.7, loss: 0.6 },
  samples: 1000,
};

describe("gateMeasures", () => {
  it("measures the model against the line between its parents, at its place on it", () => {
    const { model, accuracyBarrier, lossBarrier, accuracyDrop } = gateMeasures(facts);
    expect(model.accuracyBarrier).toBeCloseTo(0.75 * 0.9 + 0.25 * 0.8 - 0.7, 12);
    expect(model.lossBarrier).toBeCloseTo(0.6 - (0.75 * 0.3 + 0.25 * 0.5), 12);
    expect(accuracyBarrier).toBe(model.accuracyBarrier);
    expect(lossBarrier).toBe(0.4);
    expect(accuracyDrop).toBeCloseTo(0.2, 12);
  });

  it("counts the path where that is worse, and the model alone where there is no path", () => {
    const good = { ...facts, model: { accuracy: 0.95, loss: 0.2 } };
    expect(gateMeasures(good)).toMatchObject({ accuracyBarrier: 0.1, lossBarrier: 0.4 });
    const alone = gateMeasures({ ...good, path: null });
    expect(alone.accuracyBarrier).toBeCloseTo(0.875 - 0.95, 12);
    expect(alone.lossBarrier).toBeLessThan(0);
    expect(alone.path).toBeNull();
  });

  it("has no accuracies of a regression", () => {
    const parents = facts.parents.map((parent) => ({ ...parent, accuracy: null }));
    const path = { accuracyBarrier: null, lossBarrier: 0.1 };
    const measured = gateMeasures({ ...facts, path, parents, model: { accuracy: null, loss: 0.36 } });
    expect(measured).toMatchObject({ accuracyBarrier: null, accuracyDrop: null, model: { accuracyBarrier: null } });
    expect(measured.lossBarrier).toBeCloseTo(0.1, 2);
    expect(judgeGate(measured, { lossBarrier: { max: 0.2 } })).toEqual({ state: "passed", reasons: [] });
    expect(judgeGate(measured, { accuracyDrop: { max: 1 } })).toMatchObject({ state: "refused" });
  });
});

const value = fc.double({ min: -1, max: 1, noNaN: true });
const measures = fc.record({ accuracyBarrier: value, lossBarrier: value, accuracyDrop: value });
const limit = fc.option(
  value.map((max) => ({ max })),
  { nil: undefined },
);

describe("judgeGate", () => {
  it("lets a model pass where no limit is exceeded, and gives one reason for each that is", () => {
    fc.assert(
      fc.property(measures, limit, limit, limit, (measured, accuracyBarrier, lossBarrier, accuracyDrop) => {
        const exceeded = [
          [measured.accuracyBarrier, accuracyBarrier],
          [measured.lossBarrier, lossBarrier],
          [measured.accuracyDrop, accuracyDrop],
        ].filter(([is, most]) => most !== undefined && (is as number) > (most as { max: number }).max + 1e-12);
        const { state, reasons } = judgeGate(measured, { accuracyBarrier, lossBarrier, accuracyDrop });
        expect(reasons.length).toBe(exceeded.length);
        expect(state).toBe(exceeded.length === 0 ? "passed" : "refused");
      }),
    );
  });

  it("takes a limit for met that is met exactly, and nothing for met that is not a number", () => {
    const measured = { accuracyBarrier: 0.1 + 0.2, lossBarrier: Number.NaN, accuracyDrop: 0 };
    expect(judgeGate(measured, { accuracyBarrier: { max: 0.3 } }).state).toBe("passed");
    expect(judgeGate(measured, { lossBarrier: { max: 1e9 } }).state).toBe("refused");
  });

  it("says what was measured, and what is allowed", () => {
    const { reasons } = judgeGate(gateMeasures(facts), { accuracyDrop: { max: 0.05 } });
    expect(reasons).toEqual(["The accuracy drop is 0.2; the gate allows 0.05 at most."]);
  });
});

describe("a gate's form", () => {
  it("has a limit, and calibration with recomputed statistics alone", () => {
    const parse = (form: object) => gateForm.safeParse({ dataset: "digits", ...form }).success;
    const limits = { accuracyBarrier: { max: 0.02 } };
    expect(parse({})).toBe(false);
    expect(parse(limits)).toBe(true);
    expect(parse({ ...limits, statistics: "recomputed" })).toBe(false);
    expect(parse({ ...limits, statistics: "recomputed", calibration: "0".repeat(64) })).toBe(true);
    expect(parse({ ...limits, calibration: "0".repeat(64) })).toBe(false);
    expect(parse({ accuracyBarrier: { max: 2 } })).toBe(false);
    expect(parse({ accuracyBarrier: { max: 0.02, min: 0 } })).toBe(false);
  });
});
