import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pathPicture, type Picture, svgFile } from "../../../../shared/evaluation/pictures/index.ts";
import { PATH_PLOT } from "../../../../shared/evaluation/pictures/path-picture.ts";
import { dipFigure, hillFigure } from "../../../support/picture-samples.ts";
import { expectWellFormed } from "../../../support/well-formed.ts";

describe("a path", () => {
  const heightsOf = (picture: Picture, kind: string) =>
    (new RegExp(`class="${kind}" d="M([^"]+)"`).exec(picture.shapes.join("\n"))?.[1] ?? "")
      .split(/[LZ]/)
      .filter((point) => point !== "")
      .map((point) => Number(point.split(" ")[1]));

  it("tells the barrier, where it is, and its interval", () => {
    expect(pathPicture(dipFigure(0.52)).description).toContain("barrier 52.0 points at 0.5 (95 %: 50.0 to 54.0)");
    expect(pathPicture(hillFigure(1.8)).description).toContain("barrier 1.80 nats at 0.5");
    expect(pathPicture(hillFigure(1.8, { measure: "squared-error" })).description).toContain("barrier 1.80 at 0.5");
    for (const none of [dipFigure(0), dipFigure(-0.002), dipFigure(0.0004)]) {
      const picture = pathPicture(none);
      expect(picture.description).toContain("no barrier");
      expect(picture.shapes.join("")).not.toContain('class="gap"');
    }
  });

  it("has a band round the accuracy that narrows with the samples, and none round a loss", () => {
    const width = (samples: number) => {
      const heights = heightsOf(pathPicture(dipFigure(0.3, { samples })), "band");
      // Eleven upper bounds, then eleven lower ones from right to left: both at alpha 1/2.
      return (heights[16] ?? 0) - (heights[5] ?? 0);
    };
    expect(width(100)).toBeGreaterThan(1.5 * width(1000));
    expect(width(1000)).toBeGreaterThan(1.5 * width(10_000));
    expect(pathPicture(hillFigure(1)).shapes.join("")).not.toContain('class="band"');
  });

  it("draws every value within its plot, whatever the values", () => {
    const accuracy = fc.double({ min: 0, max: 1, noNaN: true });
    const loss = fc.double({ min: 0, max: 1e6, noNaN: true });
    const paths = fc.oneof(
      fc.record({
        measure: fc.constant("accuracy" as const),
        values: fc.array(accuracy, { minLength: 2, maxLength: 12 }),
      }),
      fc.record({ measure: fc.constant("loss" as const), values: fc.array(loss, { minLength: 2, maxLength: 12 }) }),
    );
    fc.assert(
      fc.property(paths, fc.integer({ min: 1, max: 60_000 }), ({ measure, values }, samples) => {
        const points = values.map((value, index) => ({ alpha: index / (values.length - 1), value }));
        const picture = pathPicture({ ...dipFigure(0), measure, points, samples });
        const heights = [...heightsOf(picture, "curve"), ...heightsOf(picture, "band")];
        expect(heights.length).toBeGreaterThanOrEqual(points.length);
        for (const height of heights) {
          expect(height).toBeGreaterThanOrEqual(PATH_PLOT.top - 0.01);
          expect(height).toBeLessThanOrEqual(PATH_PLOT.bottom + 0.01);
        }
        expectWellFormed(svgFile(picture));
        expect(picture.shapes.join("")).not.toMatch(/NaN|Infinity/);
      }),
    );
  });

  it("leaves out what is not finite, and says so", () => {
    const points = hillFigure(1).points.map((point, index) => (index === 4 ? { ...point, value: Number.NaN } : point));
    const picture = pathPicture(hillFigure(1, { points }));
    expect(picture.description).toContain("1 of 11 points are not finite");
    expect(picture.shapes.join("")).not.toContain("NaN");
    const none = pathPicture(
      hillFigure(1, { points: points.map((point) => ({ ...point, value: Number.POSITIVE_INFINITY })) }),
    );
    expect(none.description).toContain("barrier not known");
    expectWellFormed(svgFile(none));
  });
});
