import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { frozenMask } from "../../../shared/alignment/mask.ts";
import { readAlignment, sameFamily } from "../../../shared/alignment/metadata.ts";
import { readArchitecture } from "../../../shared/models/architecture.ts";
import { encodeShard, type Shard } from "../../../shared/evaluation/shard.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { sgd } from "../../../trainer/training/regime.ts";
import type { MemberProgress, TrainedMember, Validation } from "../../../trainer/training/member-task.ts";
import { type FamilyOptions, familyTasks, mlpFor, trainFamily } from "../../../trainer/training/run-family.ts";
import { trainMembers } from "../../../trainer/training/train-members.ts";
import { TRAINING_KEY } from "../../../trainer/training/checkpoint-file.ts";
import { tinyDataset } from "./tiny-dataset.ts";

const dataset = tinyDataset();
const family: FamilyOptions = {
  dataset,
  architecture: mlpFor(dataset, [24, 16]),
  seed: 11n,
  maskSeed: 2n ** 63n + 5n,
  fixedRatio: 0.4,
  models: 2,
  regime: { learningRate: 0.05, ...sgd(0.9), batch: 32, epochs: 6 },
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
    const digest = (split: Shard) => createHash("sha256").update(encodeShard(split)).digest("hex");
    const validationData = digest(dataset.validation);
    expect(JSON.parse(metadata[TRAINING_KEY] ?? "")).toEqual({
      task: member.task,
      dataset: "quarters",
      data: { train: digest(dataset.train), validation: validationData },
      samples: 240,
      seeds: { initialization: "11", order: "11", mask: "9223372036854775813" },
      mask: { fixedRatio: 0.4, scope: "all", frozen: "initial" },
      member: 1,
      regime: family.regime,
      augmentation: { crop: 0, flip: false },
      backend: "wasm",
      steps: 42,
      weights: "last",
      epoch: 6,
      metrics: { ...member.metrics, validationData },
      best: { epoch: expect.any(Number), loss: expect.any(Number), accuracy: expect.any(Number) },
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
    const trained = await trainMembers(tasks, { onDiverged: (task) => void diverged.push(task) });
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

  it("prunes at initialisation under the same mask: frozen entries are 0, and the start that is named is the pruned one", async () => {
    const [pruned] = await trainFamily({ ...family, frozenValue: "zero", models: 1 });
    const [kept] = await trainFamily({ ...family, models: 1 });
    if (pruned === undefined || kept === undefined) throw new Error("one member was asked for");
    for (const [name, values] of bits(pruned)) {
      const mask = frozenMask({ seed: 2n ** 63n + 5n, fixedRatio: 0.4 }, name, 0, values.length);
      expect(values.every((value, index) => mask[index] === 0 || value === 0)).toBe(true);
    }
    expect(pruned.initialDigest).not.toBe(kept.initialDigest);
    expect(readAlignment(decodeSafetensors(pruned.file).header.metadata)).toMatchObject({ frozen: "zero" });
  });

  it("covers with its mask what the scope says, and refuses a pattern that fits nothing", async () => {
    const scope = { tensors: ["hidden_0/*"] };
    const [member] = await trainFamily({ ...family, scope, fixedRatio: 0.9, models: 1 });
    const [start] = await trainFamily({
      ...family,
      regime: { ...family.regime, learningRate: 1e-30, epochs: 1 },
      models: 1,
    });
    if (member === undefined || start === undefined) throw new Error("one member was asked for");
    const [after, before] = [bits(member), bits(start)];
    const kept = (name: string) => {
      const values = after.get(name) ?? new Uint32Array(0);
      return values.filter((value, index) => value === before.get(name)?.[index]).length / values.length;
    };
    expect(kept("hidden_0/kernel")).toBeGreaterThan(0.85);
    expect(kept("output/kernel")).toBeLessThan(0.3);
    await expect(trainFamily({ ...family, scope: { tensors: ["hiden*"] }, models: 1 })).rejects.toMatchObject({
      kind: "usage",
      message: expect.stringContaining("--scope hiden* fits no tensor of the model, which has hidden_0/kernel"),
    });
  });

  it("starts members apart where that is asked for, the first where the family starts", async () => {
    const members = await trainFamily({ ...family, differentInit: true });
    const [together] = await trainFamily({ ...family, models: 1 });
    expect(members[0]?.initialDigest).toBe(together?.initialDigest);
    expect(members[1]?.initialDigest).not.toBe(together?.initialDigest);
  });

  it("shows a member no sample but its own", async () => {
    // Each member sees one class, and so learns to say nothing else.
    const ofClass = (label: number) =>
      Uint32Array.from(dataset.train.y.keys().filter((at) => dataset.train.y[at] === label));
    const members = await trainFamily({ ...family, fixedRatio: 0, samples: [ofClass(0), ofClass(3)] });
    expect(members.map(({ metrics }) => metrics.validationAccuracy)).toEqual([0.25, 0.25]);
    expect(members.map(({ steps }) => steps)).toEqual([6, 6]);
  });

  it("keeps the best epoch beside the last, where that is asked for", async () => {
    const wild = { ...family, models: 1, regime: { ...family.regime, learningRate: 0.4, epochs: 8 } };
    const epochs: Validation[] = [];
    const [member] = await trainFamily(wild, {
      keepBest: true,
      onMetrics: ({ validation }) => validation && epochs.push(validation),
    });
    const [best] = epochs.toSorted((a, b) => b.accuracy - a.accuracy || a.loss - b.loss);
    expect(epochs).toHaveLength(8);
    expect(member?.best?.validation).toEqual(best);
    expect(member?.best?.epoch).toBe(epochs.findIndex((epoch) => epoch === best) + 1);
    const facts = JSON.parse(
      decodeSafetensors(member?.best?.file ?? new Uint8Array()).header.metadata[TRAINING_KEY] ?? "",
    );
    expect(facts).toMatchObject({ weights: "best", epoch: member?.best?.epoch, task: member?.task });
  });

  it.each<[Partial<FamilyOptions>, RegExp]>([
    [{ fixedRatio: 1 }, /fixed ratio is 1/],
    [{ fixedRatio: Number.NaN }, /fixed ratio is NaN/],
    [{ regime: { ...family.regime, batch: 241 } }, /batch is 241; quarters has 240/],
    [{ regime: { ...family.regime, epochs: 0 } }, /0 epochs/],
    [{ regime: { ...family.regime, learningRate: -1 } }, /learning rate is -1/],
    [{ regime: { ...family.regime, ...sgd(1) } }, /momentum is 1/],
    [{ regime: { ...family.regime, labelSmoothing: 1 } }, /label smoothing is 1/],
    [{ regime: { ...family.regime, clipNorm: 0 } }, /clip norm is 0/],
    [{ augmentation: { crop: 4, flip: false } }, /4 pixels of padding does not fit images of 4x4/],
    [{ samples: [Uint32Array.of(1, 2), Uint32Array.of(3)] }, /batch is 32; .*part of quarters has 2/],
    [{ architecture: { architecture: "mlp", input: [5], hidden: [], classes: 4 } }, /the model does not fit/],
  ])("refuses %o before any thread starts", async (change, message) => {
    await expect(trainFamily({ ...family, ...change })).rejects.toMatchObject({
      kind: "usage",
      message: expect.stringMatching(message),
    });
  });
});
