import type { Study } from "../study.ts";
import { maskedAndNot } from "./masked-and-not.ts";

export const initialisation: Study = {
  title: "Same or different initial weights",
  question: "Does a shared mask help models that do not share their start?",
  axis: "initial weights",
  measures: "path",
  conditions: ({ base }) =>
    maskedAndNot(base, [
      { category: "same", setting: { differentInit: false } },
      { category: "different", setting: { differentInit: true } },
    ]),
};
