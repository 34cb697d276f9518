import { describe, expect, it } from "vitest";
import { models } from "../../../trainer/experiment/studies/models.ts";
import { ratio } from "../../../trainer/experiment/studies/ratio.ts";
import { spreadOf, summarise } from "../../../trainer/experiment/summary.ts";
import { BASE, measured } from "./families.ts";

describe("summarise", () => {
  it("gives the median and the spread of each condition", () => {
    const condition = { series: "frozen", category: "40 %", setting: BASE };
    const diverged = { ...measured(3, 0.05), diverged: 2 };
    const [row] = summarise(ratio, [{ condition, measurements: [measured(1, 0.2), measured(2, 0.1), diverged] }]);
    expect(row).toMatchObject({ series: "frozen", category: "40 %", models: 2, diverged: 2 });
    expect(row?.accuracyBarrier.median).toBeCloseTo(0.1, 12);
    expect(row?.accuracyBarrier.lowest).toBeCloseTo(0.05, 12);
    expect(row?.accuracyBarrier.highest).toBeCloseTo(0.2, 12);
    expect(row?.merged.median).toBeCloseTo(0.8, 12);
    expect(row?.parents.median).toBe(0.9);
    expect(row?.lossBarrier.median).toBeCloseTo(1, 12);
  });

  it("has a line for every K where averages are measured", () => {
    const condition = { series: "no mask", category: "2 to 4", setting: { ...BASE, models: 4 } };
    const rows = summarise(models, [{ condition, measurements: [measured(1, 0.1, 4)] }]);
    expect(rows.map(({ category }) => category)).toEqual(["2", "3", "4"]);
    expect(rows.map(({ accuracyBarrier }) => Number(accuracyBarrier.median.toFixed(6)))).toEqual([0.1, 0.15, 0.2]);
  });
});

describe("spreadOf", () => {
  it("takes the mean of the two middle values", () => {
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, lowest: 1, highest: 4, values: [4, 1, 3, 2] });
  });

  it("refuses no values", () => {
    expect(() => spreadOf([])).toThrow(RangeError);
  });
});
