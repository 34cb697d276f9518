import { describe, expect, it } from "vitest";
import {
  BADGE_COLOURS,
  BADGE_INK,
  contrast,
  DARK,
  inkOn,
  LIGHT,
  luminance,
  RAMP_STEPS,
} from "../../../../shared/evaluation/pictures/palette.ts";

describe("contrast", () => {
  it("is what WCAG defines", () => {
    expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 10);
    expect(contrast("#ffffff", "#ffffff")).toBe(1);
    // Known values of common checkers.
    expect(contrast("#767676", "#ffffff")).toBeCloseTo(4.54, 2);
    expect(contrast("#ffffff", "#0000ff")).toBeCloseTo(8.59, 2);
  });
});

describe.each([
  ["light", LIGHT],
  ["dark", DARK],
])("the %s scheme", (_, scheme) => {
  it("has text that is legible on its paper", () => {
    for (const ink of [scheme.ink, scheme.faint, scheme.barrier]) {
      expect([ink, contrast(ink, scheme.paper) >= 4.5]).toEqual([ink, true]);
    }
  });

  it("has lines that stand out from their paper", () => {
    for (const line of [scheme.curve, scheme.barrier, scheme.faint]) {
      expect([line, contrast(line, scheme.paper) >= 3]).toEqual([line, true]);
    }
  });

  it("has numbers that are legible on every step of the ramp", () => {
    for (const step of scheme.ramp) expect([step, contrast(inkOn(step), step) >= 4.5]).toEqual([step, true]);
  });

  it("has a ramp that goes from the paper's lightness to the ink's, step by step, so that hues add nothing", () => {
    expect(scheme.ramp).toHaveLength(RAMP_STEPS);
    const sign = Math.sign(luminance(scheme.ink) - luminance(scheme.paper));
    for (const [index, step] of scheme.ramp.slice(1).entries()) {
      const before = scheme.ramp[index] ?? "";
      expect([step, Math.sign(luminance(step) - luminance(before))]).toEqual([step, sign]);
      expect([step, contrast(step, before) > 1.1]).toEqual([step, true]);
    }
  });
});

describe("badges", () => {
  it("have text that is legible on every ground", () => {
    for (const ground of Object.values(BADGE_COLOURS)) {
      expect([ground, contrast(BADGE_INK, ground) >= 4.5]).toEqual([ground, true]);
    }
  });
});
