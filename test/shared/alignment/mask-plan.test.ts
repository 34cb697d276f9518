import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  canonicalScope,
  inScope,
  maskOf,
  type MaskPlan,
  maskScopeSchema,
  NO_MASK,
  sameScope,
  startOf,
} from "../../../shared/alignment/mask-plan.ts";
import { frozenMask } from "../../../shared/alignment/mask.ts";

const plan: MaskPlan = { seed: 5n, fixedRatio: 0.4, scope: "all", frozenValue: "initial" };
const limited = (...tensors: string[]): MaskPlan => ({ ...plan, scope: { tensors } });

const BUFFERS = [
  "norm/moving_mean",
  "norm/moving_variance",
  "bn1.running_mean",
  "bn1.running_var",
  "a.num_batches_tracked",
];

describe("a scope", () => {
  it("of all touches every tensor but running statistics", () => {
    for (const name of ["hidden_0/kernel", "hidden_0/bias", "norm/gamma", "running_mean_of/kernel"]) {
      expect(inScope("all", name)).toBe(true);
    }
    for (const name of BUFFERS) expect(inScope("all", name)).toBe(false);
  });

  it("of patterns touches the names that fit one of them, and never running statistics", () => {
    const scope = { tensors: ["output/*", "hidden_?/kernel"] };
    expect(["output/kernel", "output/bias", "hidden_0/kernel"].every((name) => inScope(scope, name))).toBe(true);
    expect(["hidden_0/bias", "hidden_10/kernel", "my_output/kernel"].some((name) => inScope(scope, name))).toBe(false);
    for (const name of BUFFERS) expect(inScope({ tensors: ["*"] }, name)).toBe(false);
  });

  it("has one spelling, whatever the order of its patterns", () => {
    expect(canonicalScope({ tensors: ["b", "a", "b"] })).toEqual({ tensors: ["a", "b"] });
    expect(canonicalScope("all")).toBe("all");
    expect(sameScope({ tensors: ["b", "a"] }, { tensors: ["a", "b", "a"] })).toBe(true);
    expect(sameScope({ tensors: ["a"] }, { tensors: ["a", "b"] })).toBe(false);
    expect(sameScope({ tensors: ["a,b"] }, { tensors: ["a", "b"] })).toBe(false);
    expect(sameScope("all", { tensors: ["*"] })).toBe(false);
  });

  it.each([["first"], [{ tensors: [] }], [{ tensors: [""] }], [{ tensors: ["a"], extra: 1 }], [["a"]], [7]])(
    "is not %j",
    (value) => {
      expect(maskScopeSchema.safeParse(value).success).toBe(false);
    },
  );
});

describe("maskOf", () => {
  it("is the mask of DESIGN section 4 inside the scope, and nothing outside", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("all", "in"),
        fc.integer({ min: 1, max: 200 }),
        fc.bigInt(0n, 2n ** 64n - 1n),
        (scope, size, seed) => {
          const own: MaskPlan = { ...(scope === "all" ? plan : limited("hidden_*")), seed };
          expect(maskOf(own, "hidden_3/kernel", size)).toEqual(
            frozenMask({ seed, fixedRatio: 0.4 }, "hidden_3/kernel", 0, size),
          );
        },
      ),
    );
    expect(maskOf(limited("hidden_*"), "output/kernel", 9)).toBeUndefined();
    expect(maskOf(plan, "norm/moving_mean", 9)).toBeUndefined();
    expect(maskOf({ ...plan, fixedRatio: 0 }, "hidden_3/kernel", 9)).toBeUndefined();
    expect(maskOf(NO_MASK, "hidden_3/kernel", 9)).toBeUndefined();
  });
});

describe("startOf", () => {
  const initial = Float32Array.from({ length: 500 }, (_, index) => Math.sin(index + 1));

  it("prunes what the mask holds to +0, and nothing else, where held entries are zero", () => {
    const zero: MaskPlan = { ...limited("w"), frozenValue: "zero" };
    const before = initial.slice();
    const start = startOf(zero, "w", initial);
    const mask = frozenMask(plan, "w", 0, 500);
    start.forEach((value, index) => expect(Object.is(value, mask[index] === 1 ? 0 : initial[index])).toBe(true));
    expect(initial).toEqual(before);
    expect(startOf(zero, "other", initial)).toBe(initial);
    expect(startOf(zero, "norm/moving_variance", initial)).toBe(initial);
  });

  it("is the initial value where that is what is held", () => {
    expect(startOf(plan, "w", initial)).toBe(initial);
  });
});
