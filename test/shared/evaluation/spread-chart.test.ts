import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type SpreadChart, spreadChart } from "../../../shared/evaluation/spread-chart.ts";

const chart: SpreadChart = {
  title: "Share of <frozen> weights",
  categories: ["none", "40 %", "80 %"],
  axis: "frozen",
  measure: "accuracy barrier",
  series: [
    { label: "frozen", values: [[0.5, 0.3, 0.7], [0.1, 0.08], [0.01]] },
    { label: "pruned", values: [[], [0.2], [0.85]] },
  ],
};

describe("spreadChart", () => {
  it("says the medians in words, escapes text, and gives equal bytes for equal input", () => {
    const svg = spreadChart(chart);
    expect(svg).toContain("frozen: none 50.0 %, 40 % 9.0 %, 80 % 1.0 %; pruned: 40 % 20.0 %, 80 % 85.0 %");
    expect(svg).toContain("Share of &lt;frozen&gt; weights");
    expect(svg).not.toContain("<frozen>");
    expect(svg).toContain("prefers-color-scheme:dark");
    expect(spreadChart(structuredClone(chart))).toBe(svg);
  });

  it("draws a dot for every value and a bar for every median, within its frame", () => {
    const fraction = fc.double({ min: -0.2, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.array(fraction, { maxLength: 5 }), { minLength: 1, maxLength: 8 }), (values) => {
        const categories = values.map((_, index) => `c${index}`);
        const svg = spreadChart({ ...chart, categories, series: [{ label: "a", values }] });
        const heights = [...svg.matchAll(/class="value s0" cx="([^"]+)" cy="([^"]+)"/g)];
        expect(heights).toHaveLength(values.flat().length);
        for (const [, x, y] of heights) {
          expect(Number(x)).toBeGreaterThan(64);
          expect(Number(x)).toBeLessThan(616);
          expect(Number(y)).toBeGreaterThanOrEqual(72);
          expect(Number(y)).toBeLessThanOrEqual(300);
        }
        expect([...svg.matchAll(/class="median s0"/g)]).toHaveLength(values.filter((list) => list.length > 0).length);
      }),
    );
  });

  it("refuses a series that does not fit the categories", () => {
    expect(() => spreadChart({ ...chart, categories: ["one"] })).toThrow(RangeError);
  });
});
