import { describe, expect, it } from "vitest";
import { matrixPicture, planePicture, svgFile } from "../../../../shared/evaluation/pictures/index.ts";
import { matrixFigure, planeFigure } from "../../../support/picture-samples.ts";
import { expectWellFormed } from "../../../support/well-formed.ts";

describe("a matrix", () => {
  it("has two cells a pair, numbers where they are legible, and each pair in the words", () => {
    for (const models of [2, 8, 9, 16]) {
      const { shapes, description } = matrixPicture(matrixFigure(models));
      const text = shapes.join("\n");
      const inKey = 9;
      expect([...text.matchAll(/class="step h\d"/g)]).toHaveLength(models * (models - 1) + inKey);
      expect([...text.matchAll(/<text class="t\d"/g)]).toHaveLength(models <= 8 ? models * (models - 1) : 0);
      expect(description).toMatch(/largest barrier \d+\.\d points, between [A-P] and [A-P]/);
    }
  });

  it("draws no barrier palest, and the largest strongest", () => {
    const { shapes } = matrixPicture({
      ...matrixFigure(3),
      pairs: [
        { a: 0, b: 1, barrier: 0 },
        { a: 1, b: 2, barrier: 0.3 },
      ],
    });
    const cells = [...shapes.join("\n").matchAll(/class="step (h\d)" d="M(\d+) (\d+)h/g)].slice(0, 4);
    expect(cells.map(([, step]) => step)).toEqual(["h0", "h0", "h8", "h8"]);
  });
});

describe("a plane", () => {
  it("covers every cell once and is true to the angle between its axes", () => {
    for (const positions of [
      [
        [0, 0],
        [3, 0],
        [0, 4],
      ],
      [
        [1, 1],
        [11, 1],
        [9, 7],
      ],
    ] as const) {
      const figure = planeFigure(9, positions);
      const { shapes } = planePicture(figure);
      const area = [...shapes.join("\n").matchAll(/class="step h\d" d="([^"]+Z)"/g)]
        .filter(([, path = ""]) => !path.includes("h"))
        .flatMap(([, path = ""]) => path.split("Z").filter((cell) => cell !== ""))
        .reduce((sum, cell) => sum + areaOf(cell), 0);
      const frame = /class="frame" d="(M[^"hv]+)Z"/.exec(shapes.join("\n"))?.[1] ?? "";
      expect(area / areaOf(frame)).toBeCloseTo(1, 2);
      const [origin, right, , up] = pointsOf(frame);
      const [b, c] = [sides(origin, right), sides(origin, up)];
      const [wantedB, wantedC] = [sides(positions[0], positions[1]), sides(positions[0], positions[2])];
      expect(Math.hypot(...b) / Math.hypot(...c)).toBeCloseTo(Math.hypot(...wantedB) / Math.hypot(...wantedC), 1);
      expect(cosine(b, c)).toBeCloseTo(cosine(wantedB, wantedC), 1);
    }
  });

  it("of models that hide each other, or lie on one line, is drawn as a scheme, and says their distances", () => {
    const scheme = planePicture(
      planeFigure(5, [
        [0, 0],
        [10, 0],
        [5, 5 * Math.sqrt(3)],
      ]),
    ).shapes.filter((shape) => shape.includes("marker"));
    for (const [positions, told] of [
      [
        [
          [0, 0],
          [1, 0],
          [2, 0],
        ],
        "A to B 1.00, A to C 2.00, B to C 1.00",
      ],
      [
        [
          [0, 0],
          [0, 0],
          [0, 0],
        ],
        "A to B 0, A to C 0, B to C 0",
      ],
      [
        [
          [0, 0],
          [0.5, 0],
          [0, 10],
        ],
        "A to B 0.500, A to C 10.0, B to C 10.0",
      ],
      [
        [
          [0, 0],
          [10, 0],
          [9, 0.4],
        ],
        "A to B 10.0, A to C 9.01, B to C 1.08",
      ],
    ] as const) {
      const picture = planePicture(planeFigure(5, positions));
      expect(picture.description).toContain(`not to scale: ${told}`);
      expect(svgFile(picture)).not.toMatch(/NaN|Infinity/);
      expectWellFormed(svgFile(picture));
      expect(picture.shapes.filter((shape) => shape.includes("marker"))).toEqual(scheme);
    }
    expect(planePicture(planeFigure(5)).description).not.toContain("not to scale");
  });

  it("says what is not finite, and draws it strongest", () => {
    const figure = planeFigure(3);
    const values = figure.values.map((row, j) => row.map((value, i) => (i === 1 && j === 1 ? Number.NaN : value)));
    expect(planePicture({ ...figure, values }).description).toContain("1 of 9 points are not finite");
  });

  it("of 41 by 41 points stays small", () => {
    expect(svgFile(planePicture(planeFigure(41))).length).toBeLessThan(60_000);
  });
});

type Point = readonly [number, number];

function pointsOf(path: string): Point[] {
  return path
    .slice(1)
    .split("L")
    .map((point) => {
      const [x = Number.NaN, y = Number.NaN] = point.split(" ").map(Number);
      return [x, y];
    });
}

/** By the shoelace formula. */
function areaOf(path: string): number {
  const points = pointsOf(path);
  return Math.abs(
    points.reduce((sum, [x, y], index) => {
      const [nextX, nextY] = points[(index + 1) % points.length] ?? [0, 0];
      return sum + (x * nextY - nextX * y) / 2;
    }, 0),
  );
}

function sides(from: Point | undefined, to: Point | undefined): Point {
  return [(to?.[0] ?? 0) - (from?.[0] ?? 0), (to?.[1] ?? 0) - (from?.[1] ?? 0)];
}

function cosine(first: Point, second: Point): number {
  return (first[0] * second[0] + first[1] * second[1]) / (Math.hypot(...first) * Math.hypot(...second));
}
