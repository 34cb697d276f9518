/** Recipes that break one rule each, with the place that the problem has to point at. */
const id = (digit: string) => digit.repeat(64);
const a = { checkpoint: id("a") };
const b = { checkpoint: id("b") };
const base = id("f");
export const two = [a, b];
export const ties = (parameters: object, more: object = {}) => ({
  method: "ties",
  inputs: two,
  base,
  parameters,
  ...more,
});

export const BAD_RECIPES: readonly [string, unknown, string][] = [
  ["slerp without t", { method: "slerp", inputs: two }, "/parameters/t"],
  ["slerp of one", { method: "slerp", inputs: [a], parameters: { t: 0.5 } }, "/inputs"],
  ["slerp of three", { method: "slerp", inputs: [a, b, a], parameters: { t: 0.5 } }, "/inputs"],
  [
    "slerp with weights",
    { method: "slerp", inputs: [{ ...a, weight: 2 }, b], parameters: { t: 0.5 } },
    "/inputs/0/weight",
  ],
  ["slerp with a base", { method: "slerp", inputs: two, base, parameters: { t: 0.5 } }, "/base"],
  ["slerp with a word", { method: "slerp", inputs: two, parameters: { t: "half" } }, "/parameters/t"],
  ["an empty gradient", { method: "slerp", inputs: two, parameters: { t: [] } }, "/parameters/t"],
  ["a pattern without value", { method: "slerp", inputs: two, parameters: { t: [{ pattern: "*" }] } }, "/parameters/t"],
  [
    "a pattern that says more",
    { method: "slerp", inputs: two, parameters: { t: [{ pattern: "*", value: 1, or: 2 }] } },
    "/parameters/t/0/or",
  ],
  ["nuslerp of three", { method: "nuslerp", inputs: [a, b, a] }, "/inputs"],
  ["a soup with weights", { method: "uniform-soup", inputs: [{ ...a, weight: 0.5 }, b] }, "/inputs/0/weight"],
  [
    "multislerp with a negative weight",
    { method: "multislerp", inputs: [{ ...a, weight: -1 }, b] },
    "/inputs/0/weight",
  ],
  ["karcher of no weight", { method: "karcher", inputs: [{ ...a, weight: 0 }] }, "/inputs"],
  [
    "karcher with half a step",
    { method: "karcher", inputs: two, parameters: { maxIterations: 1.5 } },
    "/parameters/maxIterations",
  ],
  ["task arithmetic without base", { method: "task-arithmetic", inputs: two }, "/base"],
  ["a base that is no digest", { method: "task-arithmetic", inputs: two, base: "z" }, "/base"],
  ["ties without base", { method: "ties", inputs: two }, "/base"],
  ["a density above 1", ties({ density: 1.5 }), "/parameters/density"],
  ["a density below 0", ties({ density: [0.5, -1] }), "/parameters/density/1"],
  ["a misspelt parameter", ties({ densty: 0.5 }), "/parameters/densty"],
  ["an unknown semantics", ties({ semantics: "mine" }), "/parameters/semantics"],
  ["frequency without peft", ties({ election: "frequency" }), "/parameters/election"],
  ["peft without division", ties({ semantics: "peft", normalize: false }), "/parameters/normalize"],
  [
    "the original with weights",
    ties({ semantics: "original" }, { inputs: [{ ...a, weight: 2 }, b] }),
    "/inputs/0/weight",
  ],
  ["the original with a gradient", ties({ semantics: "original", density: [0.1, 0.9] }), "/parameters/density"],
  ["the original with rescaling", ties({ semantics: "original", rescale: "l1" }), "/parameters/rescale"],
  ["a gamma where there is none", ties({}, { inputs: [{ ...a, gamma: 0.1 }, b] }), "/inputs/0/gamma"],
  ["a seed below 0", { method: "dare-linear", inputs: two, base, parameters: { seed: -1 } }, "/parameters/seed"],
  [
    "a seed that is not whole",
    { method: "dare-ties", inputs: two, base, parameters: { seed: 0.5 } },
    "/parameters/seed",
  ],
  [
    "a rescaling of its own",
    { method: "dare-ties", inputs: two, base, parameters: { rescale: true } },
    "/parameters/rescale",
  ],
  ["an epsilon above 1", { method: "della", inputs: two, base, parameters: { epsilon: 2 } }, "/parameters/epsilon"],
  ["model stock of one", { method: "model-stock", inputs: [a], base }, "/inputs"],
  ["nearswap of two", { method: "nearswap", inputs: two, base, parameters: { t: 1 } }, "/inputs"],
  ["nearswap with t below 0", { method: "nearswap", inputs: [a], base, parameters: { t: -1 } }, "/parameters/t"],
  ["passthrough of two", { method: "passthrough", inputs: two }, "/inputs"],
  ["fisher without statistics", { method: "fisher", inputs: [a] }, "/inputs/0/statistics"],
  [
    "statistics that nobody asked for",
    { method: "linear", inputs: [{ ...a, statistics: base }] },
    "/inputs/0/statistics",
  ],
  [
    "a topk of more than all",
    { method: "sce", inputs: two, base, parameters: { selectTopk: 2 } },
    "/parameters/selectTopk",
  ],
  [
    "an unknown layout",
    { method: "regmean", inputs: [{ ...a, statistics: base }], parameters: { layout: "x" } },
    "/parameters/layout",
  ],
  ["an unknown dtype", { method: "linear", inputs: two, dtype: "F8" }, "/dtype"],
];
