import type { Architecture } from "../../shared/models/architecture.ts";
import type { Dataset } from "../data/dataset.ts";

/** How one model is optimised: SGD with momentum, constant rate, no weight decay, the last partial batch dropped. */
export interface Regime {
  readonly learningRate: number;
  readonly momentum: number;
  /** Samples a step. */
  readonly batch: number;
  readonly epochs: number;
}

/**
 * One model to train. Members of a family share everything but `member`: seed (so the initial weights), mask and
 * regime; the member number decides the order in which samples are seen.
 */
export interface MemberTask {
  /** What progress lines and files call this model, such as `glyphs-mlp-6x128-f0.4-s1-2`. */
  readonly label: string;
  readonly dataset: Dataset;
  readonly architecture: Architecture;
  /** 64 bits: initial weights and orders. */
  readonly seed: bigint;
  /** 64 bits: the mask. */
  readonly maskSeed: bigint;
  /** Share of entries that keep their initial value, in [0, 1). */
  readonly fixedRatio: number;
  /** From 1. */
  readonly member: number;
  readonly regime: Regime;
}

export interface Metrics {
  /** Mean loss of the steps of the last epoch. */
  readonly trainingLoss: number;
  readonly validationLoss: number;
  readonly validationAccuracy: number;
}

/** A trained model, as the bytes of its safetensors file. */
export interface TrainedMember {
  readonly label: string;
  readonly member: number;
  readonly fixedRatio: number;
  readonly file: Uint8Array<ArrayBuffer>;
  /** SHA-256 of the file in hex: the checkpoint's id. */
  readonly sha256: string;
  /** SHA-256 of the initial weights, equal over a family. */
  readonly initialDigest: string;
  readonly steps: number;
  readonly metrics: Metrics;
  /** Wall time of the training, in seconds. Not in the file: equal seeds give equal bytes. */
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
  /** Loss of the latest steps, averaged exponentially. */
  readonly loss: number;
  /** On the validation split, after the last finished epoch. */
  readonly validation?: { readonly loss: number; readonly accuracy: number } | undefined;
  readonly samplesPerSecond: number;
  readonly secondsLeft: number;
}
