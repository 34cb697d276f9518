import { shareName, type Study } from "../study.ts";

const SCOPES = ["first", "middle", "last", "all"] as const;

export const scope: Study = {
  title: "Which layers are masked",
  question: "Is it enough to freeze entries of the first, a middle or the last layer?",
  axis: "masked layers",
  measures: "path",
  conditions: ({ base }) => [
    { series: shareName(base.fixedRatio), category: "none", setting: { ...base, fixedRatio: 0, models: 2 } },
    ...SCOPES.map((which) => ({
      series: shareName(base.fixedRatio),
      category: which,
      setting: { ...base, scope: which, models: 2 },
    })),
  ],
};
