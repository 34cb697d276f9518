import { describe, expect, it } from "vitest";
import { frozenMask } from "../../../shared/alignment/mask.ts";
import { readAlignment, sameFamily } from "../../../shared/alignment/metadata.ts";
import { readArchitecture } from "../../../shared/models/architecture.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import type { MemberProgress, TrainedMember } from "../../../trainer/training/member-task.ts";
import { type FamilyOptions, familyTasks, trainFamily } from "../../../trainer/training/run-family.ts";
import { trainMembers } from "../../../trainer/training/train-members.ts";
import { TRAINING_KEY } from "../../../trainer/training/checkpoint-file.ts";
import { tinyDataset } from "./tiny-dataset.ts";

const dataset = tinyDataset();
const family: FamilyOptions = {
  dataset,
  hidden: [24, 16],
  seed: 11n,
  maskSeed: 2n ** 63n + 5n,
  fixedRatio: 0.4,
  models: 2,
  regime: { learningRate: 0.05, momentum: 0.9, batch: 32, epochs: 6 },
};

/** Bits of every float32 tensor of a file, by name. */
function bits({ file }: TrainedMember): Map<string, Uint32Array> {
  const { header, bytes } = decodeSafetensors(file);
  return new Map(header.tensors.map((tensor) => [tensor.name, new Uint32Array(bytes(tensor).slice().buffer)]));
}

describe("trainFamily", () => {
  it("trains members that share start and mask, and differ by their order alone", async () => {
    const [first, second] = await trainFamily(family, { threads: 2 });
    if (first === undefined || second === undefined) throw new Error("two members were asked for");
    expect(first.metrics.validationAccuracy).toBeGreaterThan(0.8);
    expect(first.sha256).not.toBe(second.sha256);
    expect(first.steps).toBe(6 * Math.floor(240 / 32));

    const [a, b] = [first, second].map(({ file }) => readAlignment(decodeSafetensors(file).header.metadata));
    if (a === undefined || b === undefined) throw new Error("alignment is declared");
    expect(sameFamily(a, b)).toBe(true);
    expect(a).toEqual({
      scheme: "philox4x32-10",
      seed: "9223372036854775813",
      fixedRatio: 0.4,
      scope: "all",
      init: first.initialDigest,
    });
  });

  it("leaves every frozen entry bit-identical to the start, and moves the others", async () => {
    const [trained] = await trainFamily({ ...family, models: 1 });
    // A rate too small to change any float32 shows the start through the very same code.
    const [start] = await trainFamily({
      ...family,
      models: 1,
      regime: { ...family.regime, learningRate: 1e-30, epochs: 1 },
    });
    if (trained === undefined || start === undefined) throw new Error("one member was asked for");
    expect(start.initialDigest).toBe(trained.initialDigest);
    const [before, after] = [bits(start), bits(trained)];
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
    let [frozen, moved] = [0, 0];
    for (const [name, values] of after) {
      const mask = frozenMask({ seed: 2n ** 63n + 5n, fixedRatio: 0.4 }, name, 0, values.length);
      values.forEach((value, index) => {
        const same = value === before.get(name)?.[index];
        if (mask[index] === 1) {
          expect(same, `${name}[${index}]`).toBe(true);
          frozen++;
        } else if (!same) {
          moved++;
        }
      });
    }
    const total = [...after.values()].reduce((sum, values) => sum + values.length, 0);
    expect(frozen / total).toBeCloseTo(0.4, 1);
    expect(moved / (total - frozen)).toBeGreaterThan(0.8); // some units are dead
  });

  it("gives the same bytes on any number of threads and in any company", async () => {
    const tasks = [...familyTasks({ ...family, models: 3 }), ...familyTasks({ ...family, fixedRatio: 0, models: 1 })];
    const together = await trainMembers(tasks, { threads: 3 });
    const alone = await trainMembers(tasks.toReversed(), { threads: 1 });
    expect(together.map(({ sha256 }) => sha256)).toEqual(alone.toReversed().map(({ sha256 }) => sha256));
    expect(new Set(together.map(({ sha256 }) => sha256)).size).toBe(4);
  });

  it("writes what a worker needs into the metadata, and nothing of the clock", async () => {
    const [member] = await trainFamily({ ...family, models: 1 });
    if (member === undefined) throw new Error("one member was asked for");
    const { metadata } = decodeSafetensors(member.file).header;
    expect(readArchitecture(metadata)).toEqual({ architecture: "mlp", input: [4, 4, 1], hidden: [24, 16], classes: 4 });
    expect(JSON.parse(metadata[TRAINING_KEY] ?? "")).toEqual({
      dataset: "quarters",
      samples: 240,
      seeds: { initialization: "11", order: "11", mask: "9223372036854775813" },
      member: 1,
      epochs: 6,
      steps: 42,
      batch: 32,
      optimizer: { name: "sgd", learningRate: 0.05, momentum: 0.9, weightDecay: 0 },
      backend: "wasm",
      metrics: member.metrics,
    });
  });

  it("reports progress that ends at the last step, with the validation of every epoch", async () => {
    const seen: MemberProgress[] = [];
    const [member] = await trainFamily({ ...family, models: 1 }, { onProgress: (progress) => seen.push(progress) });
    const epochs = seen.filter(({ validation, step }) => validation !== undefined && step % 7 === 0);
    expect(new Set(epochs.map(({ epoch }) => epoch))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
    expect(seen.at(-1)).toMatchObject({ step: 42, steps: 42, epoch: 6, secondsLeft: 0, task: 0 });
    expect(seen.at(-1)?.validation?.accuracy).toBe(member?.metrics.validationAccuracy);
  });

  it("says in one line that training diverged", async () => {
    const wild = { ...family, regime: { ...family.regime, learningRate: 1e6 } };
    await expect(trainFamily(wild)).rejects.toMatchObject({
      kind: "diverged",
      message: expect.stringMatching(
        /^quarters-mlp-24_16-f0\.4-s11-\d diverged: .* step \d+ of 42\. .*--learning-rate \(now 1000000\)/,
      ),
    });
  });

  it("goes on with the others where a caller takes divergence upon itself", async () => {
    const wild = { ...family, seed: family.seed + 1n, regime: { ...family.regime, learningRate: 1e6 } };
    const diverged: number[] = [];
    const tasks = [...familyTasks(wild), ...familyTasks(family)];
    const trained = await trainMembers(tasks, { onDiverged: (task) => diverged.push(task) });
    expect(diverged.toSorted()).toEqual(Array.from({ length: wild.models }, (_, index) => index));
    expect(trained.map(({ sha256 }) => sha256)).toEqual((await trainFamily(family)).map(({ sha256 }) => sha256));
  });

  it("stops all threads when told to", async () => {
    const stop = new AbortController();
    const long = { ...family, regime: { ...family.regime, epochs: 1_000_000 } };
    const promise = trainFamily(long, {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error("stopped by the test")),
    });
    await expect(promise).rejects.toThrow("stopped by the test");
  });

  it.each([
    [{ fixedRatio: 1 }, /fixed ratio is 1/],
    [{ fixedRatio: Number.NaN }, /fixed ratio is NaN/],
    [{ regime: { ...family.regime, batch: 241 } }, /batch is 241; quarters has 240/],
    [{ regime: { ...family.regime, epochs: 0 } }, /0 epochs/],
    [{ regime: { ...family.regime, learningRate: -1 } }, /learning rate is -1/],
    [{ regime: { ...family.regime, momentum: 1 } }, /momentum is 1/],
  ])("refuses %o before any thread starts", async (change, message) => {
    await expect(trainFamily({ ...family, ...change })).rejects.toMatchObject({
      kind: "usage",
      message: expect.stringMatching(message),
    });
  });
});
