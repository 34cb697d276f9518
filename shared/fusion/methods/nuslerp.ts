import * as z from "zod";
import { allEqual, type GramMatrix } from "../gram.ts";
import { numbersOf } from "../parameters.ts";
import type { PlannedTensor } from "../plan.ts";
import type { Combination, FusionMethod } from "./method.ts";
import { combineVectors, vectorsAlong } from "./rows.ts";

/** Sines below this count as none: float64 of π has one, and what is divided by it is noise. */
const COLINEAR_SINE = 1e-4;
const NO_TOTAL = 1e-6;

/**
 * Spherical interpolation by weights: t = w2 / (w1 + w2), or a half where the weights cancel. With a base, the
 * differences from it are interpolated. `flatten`: one angle for each tensor; otherwise one for each vector along the
 * last axis, or along the first with `rowWise`.
 */
export const nuslerp: FusionMethod = {
  id: "nuslerp",
  symmetric: true,
  base: "optional",
  inputs: { least: 2, most: 2 },
  weights: true,
  parameters: { flatten: z.boolean().default(true), rowWise: z.boolean().default(false) },
  inputParameters: {},
  compute({ base, parameters }) {
    const of = base === undefined ? "inputs" : "deltas";
    if (parameters["flatten"] === true) {
      return {
        kind: "combination",
        measures: of,
        combine(tensor, gram): Combination | undefined {
          const t = shareOfSecond(tensor);
          const [first, second, straight] =
            tensor.elements === 0 || t === 0 || t === 1
              ? ([1 - t, t, true] as const)
              : gram === undefined
                ? []
                : arc(gram, t);
          if (first === undefined || second === undefined) return undefined;
          return base === undefined
            ? { coefficients: [first, second], affine: straight === true }
            : { coefficients: [first, second, 1 - first - second], affine: true };
        },
      };
    }
    const axisOf = (shape: readonly number[]) => (parameters["rowWise"] === true ? 0 : Math.max(0, shape.length - 1));
    return {
      kind: "elementwise",
      runElements({ shape }) {
        const { length, stride } = vectorsAlong(shape, axisOf(shape));
        return length * stride;
      },
      begin(tensor, _, { plan }) {
        const t = shareOfSecond(tensor);
        return combineVectors(plan, vectorsAlong(tensor.shape, axisOf(tensor.shape)), of, (gram) => {
          // Equal vectors come back as they are.
          if (allEqual(gram)) return [1, 0];
          const [first, second] = arc(gram, t);
          return [first, second];
        });
      },
    };
  },
};

function shareOfSecond({ parameters }: PlannedTensor): number {
  const [first = 0, second = 0] = numbersOf(parameters, "weight");
  const total = first + second;
  return Math.abs(total) < NO_TOTAL ? 0.5 : second / total;
}

/** The two coefficients, and whether they are a straight line's. */
function arc(gram: GramMatrix, t: number): readonly [number, number, boolean] {
  const norms = Math.sqrt(gram[0]?.[0] ?? 0) * Math.sqrt(gram[1]?.[1] ?? 0);
  const cosine = norms > 0 ? Math.min(1, Math.max(-1, (gram[0]?.[1] ?? 0) / norms)) : 0;
  // Not sin(acos(c)): that loses what is small.
  const sine = Math.sqrt((1 - cosine) * (1 + cosine));
  if (sine < COLINEAR_SINE) return [1 - t, t, true];
  const angle = Math.acos(cosine);
  return [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle), false];
}
