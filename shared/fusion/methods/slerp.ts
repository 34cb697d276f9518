import { tensorNumber } from "../../recipe/tensor-number.ts";
import type { GramMatrix } from "../gram.ts";
import { numberOf } from "../parameters.ts";
import type { Combination, FusionMethod } from "./method.ts";

/** Vectors shorter than this have no direction. */
const SHORTEST = 1e-8;
/** Cosines from here on count as one direction, and the arc as a straight line. */
const COLINEAR_COSINE = 0.9995;

/**
 * From the first input (t = 0) to the second (t = 1) along the arc between them, one angle for each tensor:
 * y = [sin((1 - t)θ)·a + sin(tθ)·c] / sin θ, applied to the tensors as they are. Almost parallel and almost opposite
 * tensors take the straight line; a zero tensor stands at a right angle to everything, as in mergekit.
 * @see Shoemake, "Animating rotation with quaternion curves" (SIGGRAPH 1985)
 */
export const slerp: FusionMethod = {
  id: "slerp",
  symmetric: false,
  base: "none",
  inputs: { least: 2, most: 2 },
  weights: false,
  parameters: { t: tensorNumber() },
  inputParameters: {},
  compute: () => ({
    kind: "combination",
    measures: "inputs",
    combine({ parameters, elements }, gram): Combination | undefined {
      const t = numberOf(parameters, "t");
      if (elements === 0 || t === 0 || t === 1) return straight(t);
      return gram === undefined ? undefined : arc(gram, t);
    },
  }),
};

function straight(t: number): Combination {
  return { coefficients: [1 - t, t], affine: true };
}

function arc(gram: GramMatrix, t: number): Combination {
  const first = Math.sqrt(gram[0]?.[0] ?? 0);
  const second = Math.sqrt(gram[1]?.[1] ?? 0);
  const directed = first > SHORTEST && second > SHORTEST;
  const cosine = directed ? (gram[0]?.[1] ?? 0) / (first * second) : 0;
  if (Math.abs(cosine) > COLINEAR_COSINE) return straight(t);
  const angle = Math.acos(cosine);
  const sine = Math.sin(angle);
  return { coefficients: [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine], affine: false };
}
