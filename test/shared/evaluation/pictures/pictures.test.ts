import { describe, expect, it } from "vitest";
import {
  inlineSvg,
  matrixPicture,
  meanPicture,
  pathPicture,
  type Picture,
  PICTURE_STYLE,
  planePicture,
  svgFile,
} from "../../../../shared/evaluation/pictures/index.ts";
import { PATH_PLOT } from "../../../../shared/evaluation/pictures/path-picture.ts";
import {
  dipFigure,
  EVIL,
  hillFigure,
  matrixFigure,
  meanFigure,
  planeFigure,
} from "../../../support/picture-samples.ts";
import { expectWellFormed } from "../../../support/well-formed.ts";

const CASES: readonly (readonly [string, () => Picture])[] = [
  ["path", () => pathPicture(dipFigure(0.52))],
  ["path-loss", () => pathPicture(hillFigure(1.8))],
  ["mean", () => meanPicture(meanFigure(5, 0.912))],
  ["matrix", () => matrixPicture(matrixFigure(4))],
  ["plane", () => planePicture(planeFigure(7))],
];

describe.each(CASES)("%s", (name, draw) => {
  it("is the same bytes for the same figure, and the ones that were looked at", async () => {
    const svg = svgFile(draw());
    expect(svgFile(draw())).toBe(svg);
    await expect(svg).toMatchFileSnapshot(`golden/${name}.svg`);
  });

  it("is well-formed, has every class in its style, and says in words what it shows", () => {
    const svg = svgFile(draw());
    expectWellFormed(svg);
    expect(svg).toMatch(/aria-labelledby="title description"/);
    expect(/<desc id="description">(.+)<\/desc>/.exec(svg)?.[1]?.length).toBeGreaterThan(40);
    expect(svg).not.toMatch(/NaN|Infinity|undefined|style="|<script|href/);
    const styled = new Set([...PICTURE_STYLE.matchAll(/\.([a-z][a-z0-9]*)/g)].map(([, one]) => one));
    for (const [, classes = ""] of svg.matchAll(/class="([^"]+)"/g)) {
      for (const one of classes.split(" ")) expect([one, styled.has(one)]).toEqual([one, true]);
    }
  });

  it("keeps its shapes within its frame", () => {
    const { shapes, height } = draw();
    for (const [, coordinates = ""] of shapes.join("\n").matchAll(/ d="M([\d. L-]+)Z?"/g)) {
      for (const point of coordinates.split("L")) {
        const [x = Number.NaN, y = Number.NaN] = point.trim().split(" ").map(Number);
        expect([point, x >= 0 && x <= PATH_PLOT.width && y >= 0 && y <= height]).toEqual([point, true]);
      }
    }
  });

  it("stands in a page with ids of its own and without a style", () => {
    const svg = inlineSvg(draw(), "one");
    expect(svg).toContain('aria-labelledby="one-title one-description"');
    expect(svg).toContain('<title id="one-title">');
    expect(svg).not.toContain("<style");
  });
});

describe("text", () => {
  it("is escaped wherever it comes from, and control characters are dropped", () => {
    const pictures = [
      pathPicture({ ...dipFigure(0.1), title: EVIL, parents: [EVIL, EVIL] }),
      meanPicture({ ...meanFigure(2, 0.9), title: EVIL, models: [{ name: EVIL, value: 0.9 }] }),
      matrixPicture({ ...matrixFigure(2), title: EVIL, models: [EVIL, EVIL].map((name) => ({ name, value: 0.9 })) }),
      planePicture({
        ...planeFigure(3),
        title: EVIL,
        models: planeFigure(3).models.map((one) => ({ ...one, name: EVIL })),
      }),
    ];
    for (const picture of pictures) {
      for (const svg of [svgFile(picture), inlineSvg(picture, "a")]) {
        expect(svg.includes("<script") || svg.includes("\u0000")).toBe(false);
        expect(svg).toContain("&lt;script&gt;");
        expectWellFormed(svg);
      }
    }
  });

  it("is shortened in its middle where it would leave the picture", () => {
    const name = `begin-${"x".repeat(200)}-end`;
    const { shapes, description } = pathPicture({ ...dipFigure(0.1), parents: [name, "b"], title: name });
    for (const [, text = ""] of shapes.join("").matchAll(/<text[^>]*>([^<]*)<\/text>/g)) {
      expect(text.length).toBeLessThanOrEqual(56);
    }
    expect(description).toMatch(/begin-x+…x+-end/);
  });
});
