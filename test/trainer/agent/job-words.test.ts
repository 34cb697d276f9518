import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AgentKind, jobSpec, type SpecOf } from "../../../shared/jobs/spec.ts";
import { EXPERIMENT_OPTION_NAMES, TRAIN_OPTION_NAMES, trainOptions } from "../../../shared/jobs/train-options.ts";
import { jobWords, membersOf } from "../../../trainer/agent/job-words.ts";
import { parseLine } from "../../../trainer/command-line/parse.ts";
import { experiment } from "../../../trainer/commands/experiment.ts";
import { train } from "../../../trainer/commands/train.ts";

const places = { out: "/jobs/out", backend: "wasm", data: new Map([["mnist", "/data/mnist"]]) } as const;

const specOf = (spec: object) => jobSpec.parse({ version: 1, ...spec }) as SpecOf<AgentKind>;
const wordsOf = (spec: object) => jobWords(specOf(spec), places);

/** Every option that a train job may have, with a value other than the default. */
const EVERYTHING = {
  ...{ dataset: "mnist", model: "cnn", set: ["channels=4", "hidden=5,6"], "fixed-ratio": 0.25, optimizer: "adamw" },
  ...{ "learning-rate": 1e-7, "weight-decay": 0.01, betas: "0.8,0.99", schedule: "cosine:0.01", warmup: 3 },
  ...{ "label-smoothing": 0.1, "clip-norm": 2.5, batch: 7, epochs: 9, crop: 2, flip: true, threads: 2, models: 3 },
  ...{ frozen: "zero", scope: "first", partition: "dirichlet:0.5", seed: "18446744073709551615", "mask-seed": 4 },
  ...{ "order-seed": 5, "different-init": true, name: "fam", "checkpoint-every": "20", "keep-best": true },
};

describe("the command line of a job", () => {
  it("says every option of a train job as the command takes it, and where things are", () => {
    const words = wordsOf({ kind: "train", options: EVERYTHING, member: 2 });
    expect(words[0]).toBe("train");
    const { values, operands, json } = parseLine(train, words.slice(1));
    expect({ operands, json }).toEqual({ operands: [], json: true });
    expect(values).toMatchObject({
      ...{ dataset: "mnist", model: "cnn", "fixed-ratio": 0.25, optimizer: "adamw", "learning-rate": 1e-7, batch: 7 },
      ...{ seed: 18446744073709551615n, "mask-seed": 4n, "keep-best": true, flip: true, nesterov: false, models: 3 },
      ...{ "checkpoint-every": { steps: 20 }, partition: { scheme: "dirichlet", alpha: 0.5 }, member: 2 },
      ...{ out: "/jobs/out", backend: "wasm", "data-dir": "/data/mnist", metrics: "/jobs/out/metrics.jsonl" },
    });
    expect(values["set"]).toHaveLength(2);
    expect(values["push"]).toBe(false);
  });

  it("knows no option that the commands do not", () => {
    expect(Object.keys(train.options)).toEqual(expect.arrayContaining([...TRAIN_OPTION_NAMES]));
    expect(Object.keys(experiment.options)).toEqual(expect.arrayContaining([...EXPERIMENT_OPTION_NAMES]));
    // What names a place, a command or a destination is the agent's.
    const own = ["out", "data-dir", "metrics", "push", "upload-only", "fresh", "backend", "member", "json", "help"];
    for (const name of own) expect(trainOptions.safeParse({ [name]: "x" }).success, name).toBe(false);
  });

  it("says an experiment", () => {
    const words = wordsOf({ kind: "experiment", options: { study: "ratio,depth", ratios: "0,0.4", pairs: 2 } });
    const { values, operands } = parseLine(experiment, words.slice(1));
    expect(operands).toEqual(["lmc"]);
    expect(values).toMatchObject({ study: ["ratio", "depth"], ratios: [0, 0.4], pairs: 2, out: "/jobs/out" });
  });

  it("never lets a value become an option or an operand, whatever a spec holds", () => {
    const value = fc.oneof(fc.string({ maxLength: 30 }), fc.constantFrom("-x", "--out=/etc", "a\nb", "lmc", "--", "="));
    fc.assert(
      fc.property(fc.constantFrom(...TRAIN_OPTION_NAMES), value, (name, text) => {
        const spec = jobSpec.safeParse({ version: 1, kind: "train", options: { [name]: text } });
        if (!spec.success) return;
        const words = jobWords(spec.data as SpecOf<AgentKind>, places);
        expect(words.slice(1).every((word) => word.startsWith("--"))).toBe(true);
        expect(words.filter((word) => word.startsWith("--out"))).toEqual(["--out=/jobs/out"]);
        expect(words.at(-1)).toBe(`--${name}=${text}`);
      }),
    );
  });

  it("knows how many models there will be", () => {
    expect(membersOf(specOf({ kind: "train" }))).toBe(2);
    expect(membersOf(specOf({ kind: "train", options: { models: 5 } }))).toBe(5);
    expect(membersOf(specOf({ kind: "train", options: { models: 5 }, member: 4 }))).toBe(1);
    expect(membersOf(specOf({ kind: "experiment" }))).toBeUndefined();
  });
});
