import { tensorNumber } from "../../recipe/tensor-number.ts";
import { numberOf } from "../parameters.ts";
import type { FusionMethod } from "./method.ts";

/** mergekit's guard against dividing by zero. */
const SMALLEST_DISTANCE = 1e-6;

/** Moves the base towards the input the more, the nearer they are: y = α·x + (1 - α)·b with α = min(1, t / |b - x|). */
export const nearswap: FusionMethod = {
  id: "nearswap",
  symmetric: false,
  base: "required",
  inputs: { least: 1, most: 1 },
  weights: false,
  parameters: { t: tensorNumber({ least: 0 }) },
  inputParameters: {},
  compute: () => ({
    kind: "elementwise",
    begin({ parameters }) {
      const t = numberOf(parameters, "t");
      return ({ rows: [input, base], count }, result) => {
        if (input === undefined || base === undefined) throw new RangeError("nearswap takes an input and a base");
        for (let at = 0; at < count; at++) {
          const x = input[at] as number;
          const b = base[at] as number;
          const share = Math.min(1, t / Math.max(Math.abs(b - x), SMALLEST_DISTANCE));
          result[at] = share === 1 ? x : share === 0 || x === b ? b : share * x + (1 - share) * b;
        }
      };
    },
  }),
};
