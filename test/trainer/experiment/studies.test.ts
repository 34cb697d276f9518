import { describe, expect, it } from "vitest";
import { Failure } from "../../../trainer/failure.ts";
import { STUDIES, STUDY_NAMES } from "../../../trainer/experiment/studies/index.ts";
import { shareName, type StudyOptions } from "../../../trainer/experiment/study.ts";
import { checkTask } from "../../../trainer/training/check-task.ts";
import { familyTasks } from "../../../trainer/training/run-family.ts";
import { tinyDataset } from "../training/tiny-dataset.ts";
import { BASE } from "./families.ts";

const dataset = tinyDataset();
const base = {
  ...BASE,
  architecture: {
    architecture: "mlp" as const,
    input: [...dataset.inputShape],
    hidden: [8, 8, 8],
    classes: dataset.classes,
  },
};
const options: StudyOptions = { base, ratios: [0, 0.2, 0.4], models: 5, dataset };

describe.each(STUDY_NAMES)("the study of %s", (name) => {
  const study = STUDIES[name];
  const conditions = study.conditions(options);

  it("has one condition a series and category", () => {
    const places = conditions.map(({ series, category }) => `${series}, ${category}`);
    expect(new Set(places).size).toBe(places.length);
    expect(conditions.length).toBeGreaterThan(1);
  });

  it("asks for families that can be trained", () => {
    for (const { setting } of conditions) {
      const { scope: _, ...rest } = setting;
      for (const task of familyTasks({ ...rest, dataset, seed: 1n })) expect(() => checkTask(task)).not.toThrow();
    }
  });

  it("compares settings that differ", () => {
    const settings = conditions.map(({ setting }) => JSON.stringify(setting));
    expect(new Set(settings).size).toBe(settings.length);
  });
});

describe("studies of layers", () => {
  it.each(["depth", "width"] as const)("%s refuses an architecture without free layers", (name) => {
    const lenet = { ...base, architecture: { ...base.architecture, architecture: "lenet" } as never };
    expect(() => STUDIES[name].conditions({ ...options, base: lenet })).toThrow(Failure);
  });
});

describe("the pruning study", () => {
  it("leaves out the ratio 0, where both are one", () => {
    const ratios = STUDIES.pruning.conditions(options).map(({ setting }) => setting.fixedRatio);
    expect(ratios).toEqual([0.2, 0.4, 0.2, 0.4]);
  });
});

it("names shares", () => {
  expect([0, 0.4, 0.125].map(shareName)).toEqual(["none", "40 %", "12.5 %"]);
});
