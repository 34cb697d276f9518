import type { Study } from "../study.ts";
import { maskedAndNot } from "./masked-and-not.ts";
import { perceptronOf, widthOf } from "./perceptron.ts";

/** The depths of the authors' own sweep (h1 … h8). */
const DEPTHS = [1, 2, 4, 6, 8];

export const depth: Study = {
  title: "Depth",
  question: "How does the barrier grow with the number of hidden layers?",
  axis: "hidden layers",
  measures: "path",
  conditions: ({ base }) => {
    const mlp = perceptronOf(base, "depth");
    return maskedAndNot(
      base,
      DEPTHS.map((layers) => ({
        category: String(layers),
        setting: { architecture: { ...mlp, hidden: Array.from({ length: layers }, () => widthOf(mlp)) } },
      })),
    );
  },
};
