import { describe, expect, it } from "vitest";
import { findMovedAnchor } from "../../../trainer/training/verify-frozen.ts";

const weights = (...values: number[]) =>
  new Map([["w", { shape: [values.length], values: Float32Array.from(values) }]]);
const masks = new Map([["w", Uint8Array.from([1, 0, 1])]]);

describe("findMovedAnchor", () => {
  it("lets trained entries move", () => {
    expect(findMovedAnchor(weights(1, 2, 3), weights(1, 5, 3), masks)).toBeUndefined();
  });

  it("names the entry that moved, by its bits: zeros of both signs differ", () => {
    expect(findMovedAnchor(weights(1, 2, 3), weights(1, 2, 3.0000002384185791), masks)).toMatch(/element 2 of w moved/);
    expect(findMovedAnchor(weights(0, 2, 3), weights(-0, 2, 3), masks)).toMatch(/element 0 of w moved/);
  });

  it("does not pass a tensor that is not there", () => {
    expect(findMovedAnchor(weights(1, 2, 3), new Map(), masks)).toMatch(/w has not the size/);
  });
});
