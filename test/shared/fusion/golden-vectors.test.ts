import { describe, expect, it } from "vitest";
import { fuseVectors, type VectorFusion } from "./fuse-tensors.ts";

/**
 * Results of the peers' own functions (mergekit 0.1.x, PEFT, fusion_bench), 2 x 3, row-major, in float32: the methods'
 * formulas, not their code, are what is implemented here.
 */
const A = [1, 2, 3, 4, -1, 0.5];
const B = [2, 1, 0, -1, 3, 1.5];
const C = [0.5, -2, 1, 1, 0, -3];
const Z = [0.5, 0.5, 0.5, 0.25, 0, -0.25];
const shape = [2, 3];

/** Mean of x·xᵀ. */
function gram(rows: readonly (readonly number[])[]) {
  const size = rows[0]?.length ?? 0;
  const values = Array.from({ length: size * size }, (_, at) =>
    rows.reduce((sum, row) => sum + ((row[Math.floor(at / size)] ?? 0) * (row[at % size] ?? 0)) / rows.length, 0),
  );
  return { shape: [size, size], values };
}

const CASES: readonly [string, VectorFusion, readonly number[]][] = [
  ["linear .6/.4", { method: "linear", inputs: [A, B], weights: [0.6, 0.4] }, [1.4, 1.6, 1.8, 2, 0.6, 0.9]],
  [
    "linear .1/1 raw",
    { method: "linear", inputs: [A, B], weights: [0.1, 1], parameters: { normalize: false } },
    [2.1, 1.2, 0.3, -0.6, 2.9, 1.55],
  ],
  [
    "slerp",
    { method: "slerp", inputs: [A, B], parameters: { t: 0.35 } },
    [1.9955927, 2.3298955, 2.6641984, 2.9985013, 0.7732236, 1.274678],
  ],
  [
    "nuslerp, flat",
    { method: "nuslerp", inputs: [A, B], weights: [0.65, 0.35] },
    [1.9955927, 2.3298955, 2.6641984, 2.9985013, 0.7732236, 1.274678],
  ],
  [
    "slerp of colinear tensors",
    { method: "slerp", inputs: [A, A.map((x) => 2 * x)], parameters: { t: 0.35 } },
    [1.35, 2.7, 4.05, 5.4, -1.35, 0.675],
  ],
  [
    "slerp towards zero",
    { method: "slerp", inputs: [A, A.map(() => 0)], parameters: { t: 0.35 } },
    A.map((x) => 0.8526402 * x),
  ],
  [
    "nuslerp, a row each",
    { method: "nuslerp", inputs: [A, B], weights: [0.65, 0.35], parameters: { flatten: false } },
    [1.5655603, 1.8790747, 2.192589, 3.5624311, 1.0840076, 1.6121221],
  ],
  [
    "multislerp .5/.3/.2",
    { method: "multislerp", inputs: [A, B, C], weights: [0.5, 0.3, 0.2] },
    [2.2081854, 1.2651749, 2.718976, 2.8654256, 1.08278, -0.0048979],
  ],
  [
    "task arithmetic 1/.5",
    { method: "task-arithmetic", inputs: [A, B], weights: [1, 0.5], base: Z },
    [1.75, 2.25, 2.75, 3.375, 0.5, 1.375],
  ],
  [
    "task arithmetic, normalised",
    { method: "task-arithmetic", inputs: [A, B], weights: [1, 0.5], base: Z, parameters: { normalize: true } },
    [1.3333333, 1.6666666, 2, 2.3333333, 0.3333333, 0.8333334],
  ],
  [
    "task arithmetic, λ = .3",
    { method: "task-arithmetic", inputs: [A, B], base: Z, parameters: { lambda: 0.3 } },
    [1.1, 1.1, 1.1, 1, 0.6, 0.5],
  ],
  ["ties", { method: "ties", inputs: [A, B], base: Z, parameters: { density: 0.5 } }, [2, 2, 3, 4, 3, 1.5]],
  [
    "ties, other weights",
    { method: "ties", inputs: [A, B], weights: [0.6, 0.4], base: Z, parameters: { density: 0.5 } },
    [2, 2, 3, 4, 3, 1.5],
  ],
  [
    "ties .6/.4, not normalised",
    { method: "ties", inputs: [A, B], weights: [0.6, 0.4], base: Z, parameters: { density: 0.5, normalize: false } },
    [1.1, 1.4, 2, 2.5, 1.2, 0.45],
  ],
  [
    "ties of PEFT .6/.4",
    { method: "ties", inputs: [A, B], weights: [0.6, 0.4], base: Z, parameters: { density: 0.5, semantics: "peft" } },
    [1.1, 1.4, 2, 2.5, 1.2, 0.45],
  ],
  [
    "ties of PEFT by frequency",
    {
      method: "ties",
      inputs: [A, B, C],
      base: Z,
      parameters: { density: 0.5, semantics: "peft", election: "frequency" },
    },
    [2, 2, 3, 2.5, 3, 1.5],
  ],
  [
    "ties as published",
    { method: "ties", inputs: [A, B], base: Z, parameters: { density: 0.5, semantics: "original" } },
    // The table has the difference alone.
    [1.5, 1.5, 2.5, 3.75, 3, 1.75].map((delta, at) => delta + (Z[at] ?? 0)),
  ],
  [
    "breadcrumbs",
    { method: "breadcrumbs", inputs: [A], base: Z, parameters: { density: 0.5, gamma: 0.2 } },
    [0.5, 2, 3, 0.25, -1, -0.25],
  ],
  [
    "model stock, extrapolating",
    { method: "model-stock", inputs: [A, B], base: Z, parameters: { extrapolate: true } },
    [-0.3842527, -0.3842527, -0.3842527, -0.8553159, -0.8842527, -1.3553159],
  ],
  ["sce", { method: "sce", inputs: [A, B, C], base: Z }, [1.4018404, -2, 2.25, 2.875, 3, -3]],
  ["nearswap", { method: "nearswap", inputs: [A], base: Z, parameters: { t: 0.5 } }, [1, 1, 1, 0.75, -0.5, 0.25]],
  [
    "fisher, normalised",
    {
      method: "fisher",
      inputs: [A, B],
      statistics: [
        { shape, values: [0.01, 0.02, 0, 0.005, 0.001, 0.001] },
        { shape, values: [0.005, 0.005, 0, 0.02, 0.01, 0.003] },
      ],
    },
    [1.3268381, 1.8046504, 1.5221032, 0.0239091, 2.6261976, 1.2443063],
  ],
  [
    "regmean",
    {
      method: "regmean",
      inputs: [A, B],
      statistics: [
        gram([
          [1, 0, 0.5],
          [0, 2, 1],
          [1, 1, 1],
          [0.2, 0.1, -1],
        ]),
        gram([
          [0.5, 1, 0],
          [1, -1, 2],
          [0, 0.3, 1],
          [2, 1, 0.1],
        ]),
      ],
      parameters: { alpha: 1 },
    },
    [1.125489, 2.5991247, 1.4929695, 1.3476592, 0.3213851, -0.0840929],
  ],
  ["passthrough, scaled", { method: "passthrough", inputs: [A], parameters: { scale: 0.5 } }, A.map((x) => x / 2)],
  ["uniform soup", { method: "uniform-soup", inputs: [A, B] }, [1.5, 1.5, 1.5, 1.5, 1, 1]],
];

describe("golden vectors", () => {
  it.each(CASES)("%s", async (_, fusion, expected) => {
    const found = await fuseVectors({ shape, ...fusion });
    for (const [at, value] of expected.entries()) {
      expect(Math.abs((found[at] ?? Number.NaN) - value), `element ${at} of [${found}]`).toBeLessThanOrEqual(
        1e-6 + 1e-5 * Math.abs(value),
      );
    }
  });

  it("regmean of a kernel laid out [in, out] is that of its transpose", async () => {
    const transpose = (values: readonly number[]) => [0, 3, 1, 4, 2, 5].map((at) => values[at] ?? 0);
    const fusion = CASES.find(([name]) => name === "regmean")?.[1];
    if (fusion === undefined) throw new Error("no case");
    const plain = await fuseVectors({ ...fusion, shape });
    const turned = await fuseVectors({
      ...fusion,
      inputs: fusion.inputs.map(transpose),
      shape: [3, 2],
      name: "dense/kernel",
    });
    expect(turned).toEqual(transpose(plain));
  });
});
