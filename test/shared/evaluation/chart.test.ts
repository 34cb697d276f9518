import { describe, expect, it } from "vitest";
import { alphaGrid } from "../../../shared/evaluation/grids.ts";
import { barrierChart, barrierInWords } from "../../../shared/evaluation/chart.ts";

const dip = (depth: number) =>
  alphaGrid(11).map((alpha) => ({ alpha, loss: 1, accuracy: 0.95 - 4 * depth * alpha * (1 - alpha) }));

describe("barrierChart", () => {
  it("says in words what it draws, and gives equal bytes for equal input", () => {
    const series = [
      { label: "no mask", points: dip(0.6) },
      { label: "80 % frozen", points: dip(0) },
    ];
    const svg = barrierChart("Two pairs", series);
    expect(svg).toContain('<title id="title">Two pairs</title>');
    expect(svg).toContain("no mask: barrier 60.0 points at 0.5; 80 % frozen: no barrier");
    expect(svg).toContain("prefers-color-scheme:dark");
    expect(barrierChart("Two pairs", structuredClone(series))).toBe(svg);
  });

  it("draws within its frame, whatever the accuracies", () => {
    for (const points of [
      dip(0.6),
      dip(0.001),
      dip(0),
      alphaGrid(2).map((alpha) => ({ alpha, loss: 0, accuracy: alpha })),
    ]) {
      const svg = barrierChart("t", [{ label: "a", points }]);
      const curve = /class="curve s0" d="M([^"]+)"/.exec(svg)?.[1] ?? "";
      const heights = curve.split("L").map((point) => Number(point.split(" ")[1]));
      expect(heights).toHaveLength(points.length);
      for (const height of heights) {
        expect(height).toBeGreaterThanOrEqual(56);
        expect(height).toBeLessThanOrEqual(300);
      }
      expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    }
  });

  it("escapes what it is told to print", () => {
    const svg = barrierChart(`<script>alert("1")</script>`, [{ label: "a & b\u0000 <c>", points: dip(0.1) }]);
    expect(svg).not.toContain("<script>");
    expect(svg).toContain("a &amp; b &lt;c&gt;");
    expect(svg).not.toContain("\u0000");
  });
});

describe("barrierInWords", () => {
  it("counts in points, and calls what rounds to nothing no barrier", () => {
    expect(barrierInWords(dip(0.123))).toBe("barrier 12.3 points at 0.5");
    expect(barrierInWords(dip(0.0004))).toBe("no barrier");
  });
});
