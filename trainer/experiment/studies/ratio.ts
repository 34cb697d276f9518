import { shareName, type Study } from "../study.ts";

export const ratio: Study = {
  title: "Share of frozen weights",
  question: "How does the barrier between two models fall as more of their weights keep their initial value?",
  axis: "frozen",
  measures: "path",
  conditions: ({ base, ratios }) =>
    ratios.map((fixedRatio) => ({
      series: "frozen at the initial value",
      category: shareName(fixedRatio),
      setting: { ...base, fixedRatio, models: 2 },
    })),
};
