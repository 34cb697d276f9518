import { createHash } from "node:crypto";
import * as z from "zod";
import type { Weight, Weights } from "../../shared/models/weights.ts";
import { canonicalJson } from "../../shared/recipe/canonical-json.ts";
import { decodeSafetensors, encodeSafetensors } from "../../shared/safetensors/index.ts";
import { updateHash } from "../storage/bytes-at-once.ts";
import type { Validation } from "./member-task.ts";
import type { OptimizerState } from "./masked-optimizer.ts";

/** The best weights so far; `weights` where they are kept. */
export interface BestSoFar {
  readonly epoch: number;
  readonly validation: Validation;
  readonly weights: Weights | undefined;
}

/**
 * Everything a run needs to go on as if it had never stopped. Random numbers are drawn from counter-based streams keyed
 * by epoch and sample, so the position says where they stand.
 */
export interface TrainingState {
  /** Epochs finished and validated. */
  readonly epoch: number;
  /** Steps taken in the epoch after those. */
  readonly stepInEpoch: number;
  /** Sum of their losses. */
  readonly lossSum: number;
  /** Exponential mean of the losses, for display. */
  readonly smoothedLoss: number | undefined;
  /** Mean loss of the last finished epoch. */
  readonly trainingLoss: number | undefined;
  /** After the last finished epoch. */
  readonly validation: Validation | undefined;
  readonly best: BestSoFar | undefined;
  /** Buffers such as running statistics too. */
  readonly weights: Weights;
  readonly optimizer: OptimizerState;
}

const STATE_KEY = "edgefuse.state";
const DIGEST_KEY = "edgefuse.state.sha256";

const validation = z.strictObject({ loss: z.number(), accuracy: z.number() });
const stateSchema = z.strictObject({
  version: z.literal(1),
  /** The description of the task this is a state of. */
  task: z.unknown(),
  keepBest: z.boolean(),
  epoch: z.int().min(0),
  stepInEpoch: z.int().min(0),
  lossSum: z.number(),
  smoothedLoss: z.number().optional(),
  trainingLoss: z.number().optional(),
  validation: validation.optional(),
  best: z.strictObject({ epoch: z.int(), validation }).optional(),
  optimizerStep: z.int().min(0),
});

/** A state with what it is a state of. */
export interface DecodedState {
  /** A `TaskDescription`, as it was read. */
  readonly task: unknown;
  readonly keepBest: boolean;
  readonly state: TrainingState;
}

/**
 * A state as safetensors, so that it can be looked into with any reader: tensors `weights/…`, `best/…`, `optimizer/…`,
 * the rest as JSON in the metadata, with a digest over everything.
 * @param task a `TaskDescription`
 */
export function encodeState(state: TrainingState, task: object, keepBest: boolean): Uint8Array<ArrayBuffer> {
  const tensors = new Map<string, { dtype: "F32"; shape: readonly number[]; data: Uint8Array }>();
  const add = (name: string, shape: readonly number[], { buffer, byteOffset, byteLength }: Float32Array) =>
    tensors.set(name, { dtype: "F32", shape, data: new Uint8Array(buffer, byteOffset, byteLength) });
  for (const [name, { shape, values }] of state.weights) add(`weights/${name}`, shape, values);
  for (const [name, { shape, values }] of state.best?.weights ?? []) add(`best/${name}`, shape, values);
  for (const [name, values] of state.optimizer.slots) add(`optimizer/${name}`, [values.length], values);

  const { epoch, stepInEpoch, lossSum, smoothedLoss, trainingLoss, best, optimizer } = state;
  const facts: z.infer<typeof stateSchema> = {
    version: 1,
    task,
    keepBest,
    epoch,
    stepInEpoch,
    lossSum,
    smoothedLoss,
    trainingLoss,
    validation: state.validation,
    best: best === undefined ? undefined : { epoch: best.epoch, validation: best.validation },
    optimizerStep: optimizer.step,
  };
  const text = canonicalJson(facts);
  const parts = Array.from(tensors, ([name, { data }]) => [name, data] as const);
  return encodeSafetensors(tensors, { [STATE_KEY]: text, [DIGEST_KEY]: digest(text, parts) });
}

/**
 * Reads a state back, to the bit.
 * @throws Error with a reason where the file is anything but a whole state
 */
export function decodeState(file: Uint8Array<ArrayBuffer>): DecodedState {
  const { header, bytes } = decodeSafetensors(file);
  const text = header.metadata[STATE_KEY];
  if (text === undefined) throw new Error("it is not a training state");
  const parts = header.tensors.map((tensor) => [tensor.name, bytes(tensor)] as const);
  if (header.metadata[DIGEST_KEY] !== digest(text, parts)) throw new Error("its digest does not match");
  const parsed = stateSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error("another version of edgefuse wrote it");
  const { task, keepBest, optimizerStep, best, ...facts } = parsed.data;

  const groups = { weights: new Map<string, Weight>(), best: new Map<string, Weight>(), optimizer: new Map() };
  for (const tensor of header.tensors) {
    const slash = tensor.name.indexOf("/");
    const [group, name] = [tensor.name.slice(0, slash), tensor.name.slice(slash + 1)];
    const values = new Float32Array(bytes(tensor).slice().buffer);
    if (group === "optimizer") groups.optimizer.set(name, values);
    else if (group === "weights" || group === "best") groups[group].set(name, { shape: tensor.shape, values });
    else throw new Error(`it has a tensor ${tensor.name}`);
  }
  return {
    task,
    keepBest,
    state: {
      epoch: facts.epoch,
      stepInEpoch: facts.stepInEpoch,
      lossSum: facts.lossSum,
      smoothedLoss: facts.smoothedLoss,
      trainingLoss: facts.trainingLoss,
      validation: facts.validation,
      best: best === undefined ? undefined : { ...best, weights: keepBest ? groups.best : undefined },
      weights: groups.weights,
      optimizer: { step: optimizerStep, slots: groups.optimizer },
    },
  };
}

/** SHA-256 over the facts and every tensor, name and bytes, in the order of names. */
function digest(text: string, parts: readonly (readonly [string, Uint8Array])[]): string {
  const hash = createHash("sha256").update(text);
  for (const [name, data] of parts.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    updateHash(hash.update(`\n${name}\n`), data);
  }
  return hash.digest("hex");
}
