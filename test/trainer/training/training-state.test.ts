import fc from "fast-check";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Weight } from "../../../shared/models/weights.ts";
import { familyTasks, mlpFor, REFERENCE_REGIME } from "../../../trainer/training/run-family.ts";
import { fileStateStore, removeLeftovers, statePath } from "../../../trainer/training/state-file.ts";
import { dataDigests, describeTask, taskDigest } from "../../../trainer/training/task-description.ts";
import { decodeState, encodeState, type TrainingState } from "../../../trainer/training/training-state.ts";
import { tinyDataset } from "./tiny-dataset.ts";

const dataset = tinyDataset();
const describeWith = (learningRate: number) => {
  const [task] = familyTasks({
    dataset,
    architecture: mlpFor(dataset, [3]),
    seed: 1n,
    fixedRatio: 0.4,
    models: 1,
    regime: { ...REFERENCE_REGIME, learningRate },
  });
  if (task === undefined) throw new Error("one task was asked for");
  return describeTask(task, dataDigests(dataset), "wasm");
};
const task = describeWith(0.1);

/** Any bits at all: what is saved is never looked at, also not a NaN's payload. */
const floats = fc
  .array(fc.integer({ min: 0, max: 0xffffffff }), { maxLength: 9 })
  .map((bits) => new Float32Array(Uint32Array.from(bits).buffer));
const weights = fc
  .dictionary(fc.stringMatching(/^[a-z_]{1,9}(\/[a-z]{1,6})?$/), floats, { maxKeys: 4 })
  .map(
    (byName) =>
      new Map<string, Weight>(Object.entries(byName).map(([n, values]) => [n, { shape: [values.length], values }])),
  );
const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const validation = fc.record({ loss: double, accuracy: double });
const states: fc.Arbitrary<TrainingState> = fc.record({
  epoch: fc.nat(),
  stepInEpoch: fc.nat(),
  lossSum: double,
  smoothedLoss: fc.option(double, { nil: undefined }),
  trainingLoss: fc.option(double, { nil: undefined }),
  validation: fc.option(validation, { nil: undefined }),
  best: fc.option(fc.record({ epoch: fc.nat(), validation, weights }), { nil: undefined }),
  weights,
  optimizer: fc.record({
    step: fc.nat(),
    slots: weights.map((slots) => new Map(Array.from(slots, ([name, { values }]) => [name, values]))),
  }),
});

/** Floats as bits, for a comparison that tells NaNs and zeros apart. */
const asBits = (_: string, value: unknown) => {
  if (value instanceof Float32Array) return [...new Uint32Array(value.buffer)];
  return value instanceof Map ? [...value].sort(([a], [b]) => (a < b ? -1 : 1)) : value;
};

describe("a training state", () => {
  it("comes back to the bit, whatever it holds", () => {
    fc.assert(
      fc.property(states, (state) => {
        const decoded = decodeState(encodeState(state, task, true));
        expect(JSON.stringify(decoded.state, asBits)).toBe(
          JSON.stringify({ ...state, best: state.best && { ...state.best } }, asBits),
        );
        expect(decoded).toMatchObject({ task: JSON.parse(JSON.stringify(task)), keepBest: true });
      }),
      { numRuns: 60 },
    );
  });

  it("is refused where any of its bytes is another, or some are missing", () => {
    const [state] = fc.sample(states, { numRuns: 1, seed: 42 });
    if (state === undefined) throw new Error("one state was sampled");
    const file = encodeState(state, task, true);
    for (let at = 0; at < file.length; at += 7) {
      const damaged = file.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      // Padding of the header is the one place where a bit means nothing; JSON takes no other white space for it.
      expect(() => decodeState(damaged), `byte ${at}`).toThrow();
    }
    for (const length of [0, 7, 8, 100, file.length - 1]) expect(() => decodeState(file.slice(0, length))).toThrow();
  });
});

describe("fileStateStore", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "edgefuse-state-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const [state] = fc.sample(states, { numRuns: 1, seed: 7 });
  if (state === undefined) throw new Error("one state was sampled");

  it("finds nothing, then what was saved last", async () => {
    const store = fileStateStore(statePath(join(directory, "fam-1.safetensors")), task, false);
    expect(await store.load()).toBeUndefined();
    await store.save({ ...state, epoch: 3 });
    await store.save({ ...state, epoch: 4 });
    expect(await store.load()).toMatchObject({ epoch: 4 });
    expect(await readdir(directory)).toEqual([".fam-1.state.safetensors"]);
  });

  it("refuses the state of another task, and says what is different", async () => {
    const path = join(directory, "state");
    await fileStateStore(path, task, false).save(state);
    await expect(fileStateStore(path, describeWith(0.05), false).load()).rejects.toMatchObject({
      kind: "usage",
      message: expect.stringMatching(
        /state is of another run: regime\.learningRate is 0\.05, was 0\.1\. Take another --name/,
      ),
    });
    await expect(fileStateStore(path, task, true).load()).rejects.toThrow("keepBest is true, was false");
    expect(await readFile(path)).not.toHaveLength(0);
  });

  it("refuses a damaged state and says what to do", async () => {
    const path = join(directory, "state");
    await writeFile(path, encodeState(state, task, false).subarray(0, -1));
    await expect(fileStateStore(path, task, false).load()).rejects.toMatchObject({
      kind: "bad-input",
      message: expect.stringMatching(/state cannot be resumed from: .*\. Delete it to begin again\.$/),
    });
  });

  it("clears away the temporary files of its own paths alone", async () => {
    const names = [
      ".a.safetensors.0123456789ab.part",
      ".b.safetensors.0123456789ab.part",
      ".a.safetensors.x.part",
      "a",
    ];
    for (const name of names) await writeFile(join(directory, name), "");
    await removeLeftovers([join(directory, "a.safetensors"), join(directory, "none", "b.safetensors")]);
    expect((await readdir(directory)).toSorted()).toEqual(names.slice(1).toSorted());
  });
});

describe("taskDigest", () => {
  it("is the same for the same task, and another for every other", () => {
    expect(taskDigest(describeWith(0.1))).toBe(taskDigest(task));
    expect(taskDigest(describeWith(0.05))).not.toBe(taskDigest(task));
  });
});
