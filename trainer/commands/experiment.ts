import { join } from "node:path";
import { startWasmBackend } from "../backend/wasm.ts";
import { chooseBackend, BACKEND_CHOICES } from "../backend/choose-backend.ts";
import { defineCommand } from "../command-line/command.ts";
import { choice, optional, realNumber, text, type ValueOption, wholeNumber } from "../command-line/options.ts";
import { Journal } from "../experiment/journal.ts";
import { barrierPicture, curvePicture, markdownReport, type StudyReport, textTable } from "../experiment/report.ts";
import { runStudies } from "../experiment/run-studies.ts";
import { STUDIES, STUDY_NAMES, type StudyName } from "../experiment/studies/index.ts";
import type { Setting } from "../experiment/study.ts";
import { StudyProgressLine } from "../experiment/progress-line.ts";
import type { Dataset } from "../data/dataset.ts";
import { Failure } from "../failure.ts";
import { writeAtomically } from "../storage/atomic-file.ts";
import { architectureName } from "../training/family-name.ts";
import { dataDigests } from "../training/task-description.ts";
import { ARCHITECTURE_OPTIONS, architectureFromOptions } from "./architecture-options.ts";
import { AUGMENTATION_OPTIONS, augmentationFromOptions, DATASET_OPTIONS, loadFromOptions } from "./dataset-options.ts";
import { REGIME_OPTIONS, regimeFromOptions } from "./regime-options.ts";

const studies: ValueOption<readonly StudyName[]> = {
  kind: "value",
  placeholder: "NAME,...",
  help: `what to study: ${STUDY_NAMES.join(", ")}, or all`,
  fallback: "ratio",
  parse(given) {
    if (given === "all") return STUDY_NAMES;
    const names = given.split(",");
    const known = names.map((name) => STUDY_NAMES.find((candidate) => candidate === name));
    const found = known.filter((name) => name !== undefined);
    if (found.length < names.length) throw new Error(`some of ${STUDY_NAMES.join(", ")}, or all`);
    return [...new Set(found)];
  },
};

const ratios: ValueOption<readonly number[]> = {
  kind: "value",
  placeholder: "X,...",
  help: "the shares that ratio and pruning sweep",
  fallback: "0,0.2,0.4,0.6,0.8",
  parse(given) {
    const shares = given.split(",").map((share) => (share.trim() === "" ? Number.NaN : Number(share)));
    if (shares.some((share) => !(share >= 0 && share < 1))) throw new Error("shares in [0, 1), such as 0,0.4,0.8");
    return [...new Set(shares)].sort((a, b) => a - b);
  },
};

const OPTIONS = {
  ...DATASET_OPTIONS,
  ...ARCHITECTURE_OPTIONS,
  study: studies,
  ratios,
  "fixed-ratio": realNumber("a share in (0, 1)", (share) => share > 0 && share < 1, {
    help: "the share that the other studies compare with no mask",
    fallback: "0.4",
  }),
  pairs: wholeNumber(1, 100, { help: "families a condition; medians and spreads are reported", fallback: "5" }),
  models: wholeNumber(2, 64, { help: "models in the largest average of the study of models", fallback: "5" }),
  ...REGIME_OPTIONS,
  ...AUGMENTATION_OPTIONS,
  out: text({ help: "folder for the report, the pictures and what was measured", placeholder: "DIR" }),
  backend: choice(BACKEND_CHOICES, { help: "what trains; auto takes a GPU if there is one", fallback: "auto" }),
  threads: optional(wholeNumber(1, 1024, { help: "models trained at a time (default: one a core; one on a GPU)" })),
};

export const experiment = defineCommand({
  name: "experiment",
  summary: "the paper's studies of barriers, with tables and pictures",
  description:
    "Trains families under conditions that differ in one thing, measures the barriers between their members, and writes\n" +
    "OUT/report.md, OUT/results.json and SVG pictures. What is measured stays in OUT/measurements.jsonl: the same command\n" +
    "goes on where it was stopped or killed. Families that diverge are trained again from other seeds, and counted.",
  operands: { placeholder: "lmc", help: "linear mode connectivity: the path between trained models", least: 1 },
  options: OPTIONS,
  examples: [
    {
      what: "the share of frozen weights, on real digits",
      line: "edgefuse experiment lmc --dataset mnist --out studies/mnist",
    },
    {
      what: "freezing against pruning, and averages of five, on deep networks",
      line: "edgefuse experiment lmc --dataset mnist --hidden 200x8 --learning-rate 0.03 --batch 64 --epochs 20 --study pruning,models --out studies/deep",
    },
    {
      what: "a convolutional network, three pairs",
      line: "edgefuse experiment lmc --dataset cifar10 --model cnn --pairs 3 --ratios 0,0.4 --out studies/cnn",
    },
  ],
  async run(values, operands, context) {
    const { terminal, signal } = context;
    const [kind, ...rest] = operands;
    if (kind !== "lmc" || rest.length > 0) {
      throw new Failure("usage", `There is no experiment ${JSON.stringify(operands.join(" "))}; there is lmc.`);
    }
    const began = performance.now();
    const dataset = await loadFromOptions(values, context);
    const base: Setting = {
      architecture: architectureFromOptions(values, dataset),
      regime: regimeFromOptions(values),
      fixedRatio: values["fixed-ratio"],
      scope: "all",
      frozenValue: "initial",
      differentInit: false,
      models: 2,
    };
    const options = { base, ratios: values.ratios, models: values.models, dataset };
    const wanted = values.study.map((name) => {
      const study = STUDIES[name];
      return { name, study, conditions: study.conditions(options) };
    });
    const backend = await chooseBackend(values.backend);
    const journal = await Journal.open(join(values.out, "measurements.jsonl"));
    terminal.note(
      `${values.study.join(", ")}: ${wanted.reduce((sum, { conditions }) => sum + conditions.length, 0)} conditions, ` +
        `${values.pairs} families each, on ${dataset.name}; ${backend.reason}`,
    );
    await startWasmBackend(); // what measures is the CPU, whatever trains
    const line = new StudyProgressLine(terminal, () => performance.now());
    let reports: StudyReport[];
    try {
      const digests = dataDigests(dataset);
      reports = await runStudies(wanted, {
        dataset,
        datasetDigest: `${digests.train} ${digests.validation}`,
        augmentation: augmentationFromOptions(values, dataset),
        repetitions: values.pairs,
        journal,
        training: { backend, threads: values.threads, signal },
        onProgress: (progress) => line.update(progress),
        notify: (message) => line.note(message),
      });
    } finally {
      line.finish();
    }
    const seconds = Math.round((performance.now() - began) / 1000);
    const facts: Facts = { dataset, base, pairs: values.pairs, seconds, backend: backend.reason };
    await writeReports(values.out, facts, reports);
    for (const report of reports) {
      terminal.result({ study: report.name, rows: report.rows }, `\n${report.study.title}\n${textTable(report)}`);
    }
    terminal.print(`\n${join(values.out, "report.md")} written after ${seconds} s`);
  },
});

interface Facts {
  readonly dataset: Dataset;
  readonly base: Setting;
  readonly pairs: number;
  readonly seconds: number;
  readonly backend: string;
}

async function writeReports(out: string, facts: Facts, reports: readonly StudyReport[]): Promise<void> {
  const { dataset, base, pairs, seconds, backend } = facts;
  const write = (name: string, content: string) => writeAtomically(join(out, name), Buffer.from(content));
  for (const report of reports) {
    await write(`${report.name}.svg`, barrierPicture(report));
    const curves = curvePicture(report);
    if (curves !== undefined) await write(`${report.name}-curves.svg`, curves);
  }
  const studied = reports.map(({ name, study, rows }) => ({ study: name, measures: study.measures, rows }));
  const results = { dataset: dataset.name, base, pairs, backend, studies: studied };
  await write("results.json", `${JSON.stringify(results, undefined, 2)}\n`);
  const heading = {
    title: `Barriers between models trained on ${dataset.name}`,
    facts: [
      `${architectureName(base.architecture)}, ${pairs} families a condition`,
      `${dataset.train.count} training and ${dataset.validation.count} validation samples`,
      `${backend}; ${seconds} s`,
    ],
    settings: JSON.stringify(base, undefined, 2),
  };
  await write("report.md", markdownReport(heading, reports));
}
