import type { Study } from "../study.ts";
import { maskedAndNot } from "./masked-and-not.ts";

export const models: Study = {
  title: "Averages of many models",
  question: "How good is the plain average of K models of a family?",
  axis: "models averaged",
  measures: "mean",
  conditions: ({ base, models: most }) => maskedAndNot(base, [{ category: `2 to ${most}`, setting: { models: most } }]),
};
