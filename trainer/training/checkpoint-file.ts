import { ALIGNMENT_KEY, alignmentOf } from "../../shared/alignment/metadata.ts";
import { MODEL_KEY } from "../../shared/models/architecture.ts";
import type { Weights } from "../../shared/models/weights.ts";
import { encodeSafetensors } from "../../shared/safetensors/index.ts";
import { sha256Hex } from "../storage/bytes-at-once.ts";
import type { BestMember, MemberTask, Metrics } from "./member-task.ts";
import { type TaskDescription, taskDigest } from "./task-description.ts";
import type { BestSoFar } from "./training-state.ts";

/** Key of the training facts in a safetensors file's `__metadata__`. */
export const TRAINING_KEY = "edgefuse.training";

/** What a trained file says of its run, beside what its task says. */
export interface TrainingFacts {
  readonly description: TaskDescription;
  readonly initialDigest: string;
  /** Of the whole run. */
  readonly steps: number;
  readonly adapter: string | undefined;
  /** The epoch that did best, whose weights these need not be. */
  readonly best: BestSoFar | undefined;
}

/** The bytes of weights as float32 safetensors. */
export function encodeWeights(weights: Weights, metadata: Record<string, string> = {}): Uint8Array<ArrayBuffer> {
  const tensors = Array.from(weights, ([name, { shape, values }]) => {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return [name, { dtype: "F32", shape, data }] as const;
  });
  return encodeSafetensors(new Map(tensors), metadata);
}

/** The weights of the best epoch as a file of their own, where they were kept. */
export function encodeBest(task: MemberTask, facts: TrainingFacts): BestMember | undefined {
  const { best } = facts;
  if (best?.weights === undefined) return undefined;
  const { epoch, validation, weights } = best;
  const metrics = { validationLoss: validation.loss, validationAccuracy: validation.accuracy };
  const file = encodeWeights(weights, trainingMetadata(task, facts, "best", epoch, metrics));
  return { file, sha256: sha256Hex(file), epoch, validation };
}

/**
 * What a trained checkpoint says about itself (DESIGN section 4). Nothing in it depends on the clock or the machine.
 * @param epoch after which the weights were taken, from 1
 * @param metrics of these weights
 */
export function trainingMetadata(
  task: MemberTask,
  { description, initialDigest, steps, adapter, best }: TrainingFacts,
  weights: "last" | "best",
  epoch: number,
  metrics: Partial<Metrics>,
): Record<string, string> {
  const { architecture, ...described } = description;
  const training = {
    task: taskDigest(description),
    ...described,
    steps,
    ...(adapter === undefined ? {} : { adapter }),
    weights,
    epoch,
    // The numbers hold for one split of the data, which this names: SHA-256 of it as a shard file.
    metrics: { ...metrics, validationData: description.data.validation },
    ...(best === undefined ? {} : { best: { epoch: best.epoch, ...best.validation } }),
  };
  return {
    [MODEL_KEY]: JSON.stringify(architecture),
    [ALIGNMENT_KEY]: JSON.stringify(alignmentOf(task.mask, initialDigest)),
    [TRAINING_KEY]: JSON.stringify(training),
  };
}

/** The task a checkpoint is of, and which of its weights it holds. */
export interface RecordedTask {
  readonly task: unknown;
  readonly weights: unknown;
  /** A `TaskDescription`, with much else. */
  readonly description: Readonly<Record<string, unknown>>;
}

/** Reads what {@link trainingMetadata} wrote; undefined where a file says no such thing. */
export function readRecordedTask(metadata: Readonly<Record<string, string>>): RecordedTask | undefined {
  try {
    const training: unknown = JSON.parse(metadata[TRAINING_KEY] ?? "");
    const architecture: unknown = JSON.parse(metadata[MODEL_KEY] ?? "");
    if (typeof training !== "object" || training === null) return undefined;
    const description: Record<string, unknown> = { ...training, architecture };
    return { task: description["task"], weights: description["weights"], description };
  } catch {
    return undefined;
  }
}
