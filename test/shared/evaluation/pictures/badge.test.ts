import { describe, expect, it } from "vitest";
import { badge, gradeOf } from "../../../../shared/evaluation/pictures/index.ts";
import { BADGE_COLOURS } from "../../../../shared/evaluation/pictures/palette.ts";

describe("a badge", () => {
  it("says the barrier in the unit of its measure", () => {
    const titleOf = (svg: string) => /<title id="title">(.*)<\/title>/.exec(svg)?.[1];
    expect(titleOf(badge({ measure: "accuracy", barrier: 0.003 }))).toBe("barrier 0.3 pt");
    expect(titleOf(badge({ measure: "accuracy", barrier: -0.02 }))).toBe("barrier 0.0 pt");
    expect(titleOf(badge({ measure: "loss", barrier: 0.0123 }))).toBe("barrier 0.0123 nats");
    expect(titleOf(badge({ measure: "squared-error", barrier: 1.25 }))).toBe("barrier 1.25 mse");
    expect(titleOf(badge({ measure: "loss", barrier: Number.NaN }))).toBe("barrier not finite");
    expect(titleOf(badge({ measure: "accuracy", barrier: 0.003, verdict: "refused" }))).toBe(
      "barrier 0.3 pt, gate refused",
    );
  });

  it("is good up to 1 point, fair up to 5, as the number shows them", () => {
    const grades = [0, 0.01, 0.01049, 0.0106, 0.05, 0.0504, 0.0506, 1].map((size) => gradeOf("accuracy", size));
    expect(grades).toEqual(["good", "good", "good", "fair", "fair", "fair", "poor", "poor"]);
    expect([0.05, 0.051, 0.25, 0.26].map((size) => gradeOf("loss", size))).toEqual(["good", "fair", "fair", "poor"]);
    expect(gradeOf("squared-error", 1e9)).toBe("neutral");
    expect(gradeOf("loss", Number.POSITIVE_INFINITY)).toBe("poor");
  });

  it("takes a gate's verdict before its own grade", () => {
    const big = { measure: "accuracy", barrier: 0.2 } as const;
    expect(badge(big)).toContain(BADGE_COLOURS.poor);
    expect(badge({ ...big, verdict: "passed" })).toContain(BADGE_COLOURS.good);
    expect(badge({ ...big, barrier: 0, verdict: "refused" })).toContain(BADGE_COLOURS.poor);
  });

  it("tells the grades apart by a sign, not by the colour alone", () => {
    const signs = [0, 0.03, 0.2].map((barrier) => / d="([^"]+)"/.exec(badge({ measure: "accuracy", barrier }))?.[1]);
    expect(new Set(signs).size).toBe(3);
    expect(signs).not.toContain(undefined);
  });

  it("is the bytes that were looked at", async () => {
    await expect(badge({ measure: "accuracy", barrier: 0.003 })).toMatchFileSnapshot("golden/badge.svg");
  });

  it("has room for its text", () => {
    for (const barrier of [0, 0.003, 0.123, 1]) {
      const svg = badge({ measure: "accuracy", barrier });
      const width = Number(/<svg [^>]*width="([\d.]+)"/.exec(svg)?.[1]);
      for (const [, x, length] of svg.matchAll(/<text x="([\d.]+)" y="14" textLength="([\d.]+)"/g)) {
        expect(Number(x) + Number(length)).toBeLessThan(width - 4);
      }
    }
  });
});
