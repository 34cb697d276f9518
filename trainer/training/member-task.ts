import type { MaskPlan } from "../../shared/alignment/mask-plan.ts";
import type { Architecture } from "../../shared/models/architecture.ts";
import type { Augmentation } from "../data/augmentation.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Regime } from "./regime.ts";

/**
 * One model to train. Members of a family share start (`seed`), mask and regime; the member number decides the order in
 * which samples are seen. Everything here but the label enters the weights, and nothing else does.
 */
export interface MemberTask {
  /** What progress lines and files call this model, such as `glyphs-mlp-6x128-f0.4-s1-2`. */
  readonly label: string;
  readonly dataset: Dataset;
  readonly architecture: Architecture;
  /** 64 bits: initial weights. */
  readonly seed: bigint;
  /** 64 bits: orders and augmentation, each member and epoch with a stream of its own. */
  readonly orderSeed: bigint;
  /** Which entries keep their initial value. */
  readonly mask: MaskPlan;
  /** From 1. */
  readonly member: number;
  readonly regime: Regime;
  readonly augmentation: Augmentation;
  /** Indices of the training samples this member sees, for members with data of their own; all of them by default. */
  readonly samples?: Uint32Array<ArrayBuffer> | undefined;
}

export interface Metrics {
  /** Mean loss of the steps of the last epoch. */
  readonly trainingLoss: number;
  readonly validationLoss: number;
  readonly validationAccuracy: number;
}

/** Loss (nats) and accuracy (fraction) on the validation split. */
export interface Validation {
  readonly loss: number;
  readonly accuracy: number;
}

/** The weights of the epoch that did best on the validation split: highest accuracy, then lowest loss, then earliest. */
export interface BestMember {
  readonly file: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
  /** Epochs finished, from 1. */
  readonly epoch: number;
  readonly validation: Validation;
}

/** A trained model, as the bytes of its safetensors file. */
export interface TrainedMember {
  readonly label: string;
  readonly member: number;
  readonly fixedRatio: number;
  readonly file: Uint8Array<ArrayBuffer>;
  /** SHA-256 of the file in hex: the checkpoint's id. */
  readonly sha256: string;
  /** Where it was asked for. */
  readonly best: BestMember | undefined;
  /** SHA-256 of the initial weights, equal over a family. */
  readonly initialDigest: string;
  /** See `taskDigest`: equal tasks give equal files. */
  readonly task: string;
  readonly steps: number;
  readonly metrics: Metrics;
  readonly backend: "wasm" | "webgpu";
  /** The GPU, where one computed. */
  readonly adapter: string | undefined;
  /** Wall time of the training since it was last resumed, in seconds. Not in the file: equal seeds give equal bytes. */
  readonly seconds: number;
}

/** Where a model stands. */
export interface MemberProgress {
  /** Index of its task. */
  readonly task: number;
  readonly label: string;
  /** Epochs finished. */
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  readonly steps: number;
  /** Loss of the latest steps, averaged exponentially; NaN until the first one is known. */
  readonly loss: number;
  /** Of the latest step. */
  readonly learningRate: number;
  /** On the validation split, after the last finished epoch. */
  readonly validation?: Validation | undefined;
  readonly samplesPerSecond: number;
  readonly secondsLeft: number;
}
