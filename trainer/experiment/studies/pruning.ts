import { shareName, type Study } from "../study.ts";

/** Zero is left out: without a mask, freezing and pruning are one. */
export const pruning: Study = {
  title: "Freezing against pruning",
  question: "The same mask, its entries kept at the initial value (TNA-PFN) or at zero (pruning): what does each cost?",
  axis: "masked",
  measures: "path",
  conditions: ({ base, ratios }) =>
    (["initial", "zero"] as const).flatMap((frozenValue) =>
      ratios
        .filter((fixedRatio) => fixedRatio > 0)
        .map((fixedRatio) => ({
          series: frozenValue === "initial" ? "frozen at the initial value" : "pruned at initialisation",
          category: shareName(fixedRatio),
          setting: { ...base, fixedRatio, frozenValue, models: 2 },
        })),
    ),
};
