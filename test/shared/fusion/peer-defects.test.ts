import { describe, expect, it } from "vitest";
import { fuseVectors } from "./fuse-tensors.ts";

/** What peers were found to do wrong, by the number in the table of defects. */
const A = [1, 2, 3, 4, -1, 0.5];
const Z = [0.5, 0.5, 0.5, 0.25, 0, -0.25];
const opposite = Z.map((z, at) => 2 * z - (A[at] ?? 0));

describe("defects of peers", () => {
  it("1: breadcrumbs keeps small tensors whose share of outliers is less than one entry", async () => {
    expect(await fuseVectors({ method: "breadcrumbs", inputs: [A], base: Z, parameters: { density: 0.5 } })).toEqual([
      0.5, 2, 3, 4, 0, -0.25,
    ]);
  });

  it("2: a density that keeps no entry of a small tensor leaves the base", async () => {
    expect(await fuseVectors({ method: "ties", inputs: [A], base: Z, parameters: { density: 0.1 } })).toEqual(Z);
  });

  it("3: della takes rows of one element", async () => {
    const found = await fuseVectors({
      method: "della",
      inputs: [A],
      base: Z,
      shape: [6, 1],
      parameters: { density: 0.5 },
    });
    expect(found.every(Number.isFinite)).toBe(true);
  });

  it("4: sce that selects nothing is the base, in its shape", async () => {
    const parameters = { selectTopk: 0 };
    expect(await fuseVectors({ method: "sce", inputs: [A, opposite], base: Z, shape: [2, 3], parameters })).toEqual(Z);
  });

  it("4: sce weighs small differences by their energy, too", async () => {
    const near = (by: number) => Z.map((z) => z + by);
    const [found = 0] = await fuseVectors({ method: "sce", inputs: [near(2 ** -12), near(2 ** -13)], base: Z });
    // (4·2 + 1·1) / 5 of the smaller difference, not their mean.
    expect(found - 0.5).toBeCloseTo(1.8 * 2 ** -13, 7);
  });

  it("5: model stock of opposite differences is the base, to the letter or not", async () => {
    for (const extrapolate of [false, true]) {
      const found = await fuseVectors({
        method: "model-stock",
        inputs: [A, opposite],
        base: Z,
        parameters: { extrapolate },
      });
      expect(found).toEqual(Z);
    }
  });

  it("7: nuslerp of exact opposites is on the straight line", async () => {
    const found = await fuseVectors({ method: "nuslerp", inputs: [A, A.map((x) => -x)], weights: [0.75, 0.25] });
    const ratios = found.map((value, at) => value / (A[at] ?? 1));
    expect(Math.abs(ratios[0] ?? 0)).toBe(0.5);
    expect(new Set(ratios).size).toBe(1);
  });

  it("8: a weight of 0 leaves an input out", async () => {
    expect(await fuseVectors({ method: "linear", inputs: [A, Z], weights: [1, 0] })).toEqual(A);
  });

  it("10: a density of 0 is the base, whatever the rescaling", async () => {
    for (const rescale of ["none", "l1", "density"]) {
      const parameters = { density: 0, rescale };
      expect(await fuseVectors({ method: "dare-linear", inputs: [A], base: Z, parameters })).toEqual(Z);
    }
  });
});

describe("endpoints", () => {
  it.each([
    ["slerp at 0", { method: "slerp", inputs: [A, Z], parameters: { t: 0 } }, A],
    ["slerp at 1", { method: "slerp", inputs: [A, Z], parameters: { t: 1 } }, Z],
    ["nuslerp of one", { method: "nuslerp", inputs: [A, Z], weights: [0, 3] }, Z],
    ["task arithmetic of one", { method: "task-arithmetic", inputs: [A], base: Z }, A],
    ["task arithmetic at 0", { method: "task-arithmetic", inputs: [A], base: Z, parameters: { lambda: 0 } }, Z],
    ["ties of one, whole", { method: "ties", inputs: [A], base: Z }, A],
    ["nearswap at 0", { method: "nearswap", inputs: [A], base: Z, parameters: { t: 0 } }, Z],
    ["nearswap far on", { method: "nearswap", inputs: [A], base: Z, parameters: { t: 100 } }, A],
    ["passthrough", { method: "passthrough", inputs: [A] }, A],
  ])("%s", async (_, fusion, expected) => {
    expect(await fuseVectors(fusion)).toEqual(expected);
  });
});
