import { describe, expect, it } from "vitest";
import { ChildProgress } from "../../../trainer/agent/child-progress.ts";
import { progressLine } from "../../../trainer/command-line/progress-board.ts";
import type { MemberProgress } from "../../../trainer/training/member-task.ts";

const state: MemberProgress = {
  ...{ task: 0, label: "fam-1", epoch: 0, epochs: 12, step: 30, steps: 120, loss: 0.75, learningRate: 0.1 },
  ...{ samplesPerSecond: 1234.4, secondsLeft: 61, validation: { loss: 0.5, accuracy: 0.904 } },
};

describe("the progress of a job", () => {
  it("is read off the lines that the trainer writes", () => {
    const progress = new ChildProgress(1);
    expect(progress.progress()).toBeUndefined();
    progress.hear(progressLine("fam-1", state));
    expect(progress.progress()).toEqual({
      ...{ done: 30, total: 120, unit: "steps" },
      metrics: { loss: 0.75, accuracy: 0.904, samplesPerSecond: 1234 },
    });
    progress.hear(progressLine("fam-1", { ...state, step: 120, epoch: 12 }));
    expect(progress.progress()).toMatchObject({ done: 120, total: 120, metrics: { samplesPerSecond: 0 } });
  });

  it("leaves out what is not known yet", () => {
    const progress = new ChildProgress(1);
    progress.hear(progressLine("fam-1", { ...state, loss: Number.NaN, validation: undefined }));
    expect(progress.progress()?.metrics).toEqual({ samplesPerSecond: 1234 });
  });

  it("is that of the whole family, with members that wait and members that are done", () => {
    const progress = new ChildProgress(4);
    progress.hear("/tmp/a b/fam-1.safetensors is trained already");
    progress.hear(progressLine("fam-2", state));
    progress.hear(progressLine("fam-3", { ...state, step: 60, loss: 0.25 }));
    expect(progress.progress()).toMatchObject({
      ...{ done: 210, total: 480 },
      metrics: { loss: 0.5, samplesPerSecond: 2468 },
    });
  });

  it("is the last line where there is nothing to count", () => {
    const progress = new ChildProgress(undefined);
    progress.hear("ratio \u001B[1m0.4\u001B[0m: 3 of 5");
    progress.hear("  ");
    expect(progress.progress()).toEqual({ note: "ratio  [1m0.4 [0m: 3 of 5" });
  });
});
