import type { Study } from "../study.ts";
import { maskedAndNot } from "./masked-and-not.ts";
import { perceptronOf } from "./perceptron.ts";

const WIDTHS = [32, 64, 128, 256, 512];

export const width: Study = {
  title: "Width",
  question: "How does the barrier change with the width of the hidden layers?",
  axis: "units a hidden layer",
  measures: "path",
  conditions: ({ base }) => {
    const mlp = perceptronOf(base, "width");
    return maskedAndNot(
      base,
      WIDTHS.map((units) => ({
        category: String(units),
        setting: { architecture: { ...mlp, hidden: mlp.hidden.map(() => units) } },
      })),
    );
  },
};
