import { createHash } from "node:crypto";
import { ALIGNMENT_KEY, type Alignment } from "../../shared/alignment/metadata.ts";
import { MODEL_KEY } from "../../shared/models/architecture.ts";
import type { Weights } from "../../shared/models/weights.ts";
import { encodeSafetensors } from "../../shared/safetensors/index.ts";
import type { MemberTask, Metrics } from "./member-task.ts";

/** Key of the training facts in a safetensors file's `__metadata__`. */
export const TRAINING_KEY = "edgefuse.training";

/** The bytes of weights as float32 safetensors. */
export function encodeWeights(weights: Weights, metadata: Record<string, string> = {}): Uint8Array<ArrayBuffer> {
  const tensors = Array.from(weights, ([name, { shape, values }]) => {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return [name, { dtype: "F32", shape, data }] as const;
  });
  return encodeSafetensors(new Map(tensors), metadata);
}

/** What a trained checkpoint says about itself (DESIGN section 4). Nothing in it depends on the clock or the machine. */
export function trainingMetadata(
  task: MemberTask,
  facts: { initialDigest: string; steps: number; backend: string; metrics: Metrics },
): Record<string, string> {
  const { dataset, architecture, seed, maskSeed, fixedRatio, member, regime } = task;
  const alignment: Alignment = {
    scheme: "philox4x32-10",
    seed: String(maskSeed),
    fixedRatio,
    scope: "all",
    init: facts.initialDigest,
  };
  const training = {
    dataset: dataset.name,
    samples: dataset.train.count,
    // 64-bit seeds in decimal: JSON numbers cannot hold them.
    seeds: { initialization: String(seed), order: String(seed), mask: String(maskSeed) },
    member,
    epochs: regime.epochs,
    steps: facts.steps,
    batch: regime.batch,
    optimizer: { name: "sgd", learningRate: regime.learningRate, momentum: regime.momentum, weightDecay: 0 },
    backend: facts.backend,
    metrics: facts.metrics,
  };
  return {
    [MODEL_KEY]: JSON.stringify(architecture),
    [ALIGNMENT_KEY]: JSON.stringify(alignment),
    [TRAINING_KEY]: JSON.stringify(training),
  };
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
