import type { LayersModel } from "@tensorflow/tfjs-layers";
import { inScope, maskOf, startOf } from "../../shared/alignment/mask-plan.ts";
import { buildModel } from "../../shared/models/build.ts";
import { initialWeights } from "../../shared/models/initialize.ts";
import { assignWeights, weightSpecs, type Weights } from "../../shared/models/weights.ts";
import type { TrainingBackend } from "../backend/training-backend.ts";
import { asFailure, Failure } from "../failure.ts";
import { sha256Hex } from "../storage/bytes-at-once.ts";
import { encodeBest, encodeWeights, trainingMetadata } from "./checkpoint-file.ts";
import { EpochLoop, type EpochsDone } from "./epoch-loop.ts";
import type { MemberSurroundings } from "./member-surroundings.ts";
import type { MemberTask, TrainedMember } from "./member-task.ts";
import { describeTask, taskDigest } from "./task-description.ts";
import { createTrainStep } from "./train-step.ts";
import { findMovedAnchor } from "./verify-frozen.ts";

/**
 * Trains one model on this thread's backend, from its seed to the bytes of its file, or on from its saved state.
 *
 * TNA-PFN (arXiv:2402.01342): entries under the mask keep their initial value; they still take part in the forward pass
 * and pass gradients on. Equal tasks give equal bytes on one machine, whatever else runs and however often the run was
 * stopped and resumed.
 * @throws Failure `diverged` where the loss stops being a number, `out-of-memory`, `internal` where a frozen entry
 * moved, and as the state's store; StoppedEarly where it was asked to stop
 */
export async function trainMember(
  task: MemberTask,
  backend: TrainingBackend,
  surroundings: MemberSurroundings,
): Promise<TrainedMember> {
  try {
    return await train(task, backend, surroundings);
  } catch (error) {
    const failure = asFailure(error);
    if (failure.kind !== "out-of-memory") throw error;
    throw new Failure(
      "out-of-memory",
      `${task.label} does not fit into memory (${failure.message}); lower --batch (now ${task.regime.batch}) or take a smaller model.`,
      { cause: error },
    );
  }
}

async function train(
  task: MemberTask,
  backend: TrainingBackend,
  surroundings: MemberSurroundings,
): Promise<TrainedMember> {
  const model = buildModel(task.architecture);
  const held: { dispose(): void }[] = [model];
  try {
    const start = startWeights(task, model);
    const masks = drawMasks(task, model);
    const saved = await surroundings.state?.load();
    assignWeights(model, saved?.weights ?? start);
    const trainable = weightSpecs(model).filter((spec) => spec.trainable);
    const optimizer = backend.createOptimizer(
      task.regime.optimizer,
      trainable.map(({ name, variable }) => ({ name, variable, frozen: masks.get(name) })),
      task.regime.clipNorm,
    );
    held.push(optimizer);
    if (saved !== undefined) optimizer.restore(saved.optimizer);
    const step = createTrainStep(model, optimizer, backend, { labelSmoothing: task.regime.labelSmoothing });
    held.push(step);
    const readWeights = () => readAllWeights(model);
    const done = await new EpochLoop(task, { model, optimizer, step, readWeights }, saved, surroundings).run();

    const trained = await readWeights();
    const bestWeights = done.best?.weights;
    for (const weights of [trained, ...(bestWeights === undefined ? [] : [bestWeights])]) {
      const moved = findMovedAnchor(start, weights, masks);
      if (moved !== undefined) throw new Failure("internal", `${task.label}: ${moved}; the checkpoint is not written.`);
    }
    return describeTrained(task, backend, surroundings, start, trained, done);
  } finally {
    for (const each of held.toReversed()) each.dispose();
  }
}

function describeTrained(
  task: MemberTask,
  backend: TrainingBackend,
  { data }: MemberSurroundings,
  start: Weights,
  trained: Weights,
  { metrics, steps, best, seconds }: EpochsDone,
): TrainedMember {
  const description = describeTask(task, data, backend.name);
  const initialDigest = sha256Hex(encodeWeights(start));
  const { adapter } = backend;
  const facts = { description, initialDigest, steps, adapter, best };
  const file = encodeWeights(trained, trainingMetadata(task, facts, "last", task.regime.epochs, metrics));
  return {
    label: task.label,
    member: task.member,
    fixedRatio: task.mask.fixedRatio,
    file,
    sha256: sha256Hex(file),
    best: encodeBest(task, facts),
    initialDigest,
    task: taskDigest(description),
    steps,
    metrics,
    backend: backend.name,
    adapter,
    seconds,
  };
}

/** Where training begins: the initial weights, pruned where the plan prunes. */
function startWeights({ seed, mask }: MemberTask, model: LayersModel): Weights {
  return new Map(
    Array.from(initialWeights(model, seed), ([name, { shape, values }]) => [
      name,
      { shape, values: startOf(mask, name, values) },
    ]),
  );
}

/** @throws Failure `usage` for a pattern of the scope that fits no tensor: nothing would be held, and nobody told */
function drawMasks({ mask }: MemberTask, model: LayersModel): Map<string, Uint8Array> {
  const trainable = weightSpecs(model).filter((spec) => spec.trainable);
  const patterns = mask.scope === "all" ? [] : mask.scope.tensors;
  const idle = patterns.find((pattern) => !trainable.some(({ name }) => inScope({ tensors: [pattern] }, name)));
  if (idle !== undefined) {
    const names = trainable.map(({ name }) => name);
    const shown = names.length > 8 ? [...names.slice(0, 8), "…"] : names;
    throw new Failure("usage", `--scope ${idle} fits no tensor of the model, which has ${shown.join(", ")}.`);
  }
  const masks = new Map<string, Uint8Array>();
  for (const { name, variable } of trainable) {
    const drawn = maskOf(mask, name, variable.size);
    if (drawn !== undefined) masks.set(name, drawn);
  }
  return masks;
}

/** Copies: a variable's own memory goes when the model does. */
async function readAllWeights(model: LayersModel): Promise<Weights> {
  const read = weightSpecs(model).map(async ({ name, shape, variable }) => {
    const values = Float32Array.from(await variable.data<"float32">());
    return [name, { shape, values }] as const;
  });
  return new Map(await Promise.all(read));
}
