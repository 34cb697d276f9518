import { describe, expect, it } from "vitest";
import {
  barrierPicture,
  curvePicture,
  markdownReport,
  markdownTable,
  type StudyReport,
  textTable,
} from "../../../trainer/experiment/report.ts";
import { models } from "../../../trainer/experiment/studies/models.ts";
import { ratio } from "../../../trainer/experiment/studies/ratio.ts";
import type { Study } from "../../../trainer/experiment/study.ts";
import { summarise } from "../../../trainer/experiment/summary.ts";
import { BASE, measured } from "./families.ts";

function report(study: Study, members: number): StudyReport {
  const results = [0, 0.4].map((fixedRatio) => ({
    condition: {
      series: study === models ? `at ${fixedRatio}` : "frozen",
      category: fixedRatio === 0 ? "none" : "40 %",
      setting: { ...BASE, fixedRatio, models: members },
    },
    measurements: [0.3, 0.1, 0.2].map((gap, index) => measured(index + 1, gap * (1 - fixedRatio), members)),
  }));
  return { name: "ratio", study, results, rows: summarise(study, results) };
}

describe("tables", () => {
  it("are Markdown with medians and spreads", () => {
    expect(markdownTable(report(ratio, 2))).toBe(
      [
        "| frozen | parents | average | loss barrier | accuracy barrier | lowest to highest | diverged |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| none | 90.0 % | 70.0 % | 2.000 | 20.0 points | 10.0 to 30.0 | 0 |",
        "| 40 % | 90.0 % | 78.0 % | 1.200 | 12.0 points | 6.0 to 18.0 | 0 |",
      ].join("\n"),
    );
  });

  it("name the series where there are several", () => {
    const [header, , first] = markdownTable(report(models, 3)).split("\n");
    expect(header).toMatch(/^\| {2}\| models averaged \|/);
    expect(first).toMatch(/^\| at 0 \| 2 \|/);
  });

  it("line up as text", () => {
    const lines = textTable(report(ratio, 2)).split("\n");
    const ends = lines.map((line) => line.length);
    expect(new Set(ends).size).toBe(1);
  });
});

describe("pictures", () => {
  it("show every repetition, and the paths of the median ones", () => {
    const picture = barrierPicture(report(ratio, 2));
    expect([...picture.matchAll(/class="value s0"/g)]).toHaveLength(6);
    expect(curvePicture(report(ratio, 2))).toContain("frozen none: barrier 20.0 points at 0.5");
  });

  it("have no path for averages of K models", () => {
    expect(curvePicture(report(models, 3))).toBeUndefined();
  });
});

it("writes a report that names its pictures and its settings", () => {
  const text = markdownReport({ title: "Barriers", facts: ["3 repetitions"], settings: "{}" }, [report(ratio, 2)]);
  expect(text).toContain("```json\n{}\n```");
  expect(text).toContain("(ratio.svg)");
  expect(text).toContain("(ratio-curves.svg)");
});
