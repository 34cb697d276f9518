import { Problem } from "../problem.ts";
import { labelsPerSample, type RegressionShard, type Shard } from "./shard.ts";
import { type ClassificationSums, MOST_CLASSES_TOLD, type RegressionSums } from "./sums.ts";

/**
 * Counts what a classifier makes of a shard, batch after batch and label after label, so that the size of a batch does
 * not show in the last bit of the sums. Logits are float32; the log-softmax and the sums are float64.
 */
export class ClassificationTally {
  readonly #labels: Int32Array;
  readonly #perSample: number;
  readonly #classes: number;
  /** By class: how many labels, and how many of them right. */
  readonly #counts: Uint32Array;
  readonly #hits: Uint32Array;
  readonly #right: Uint8Array<ArrayBuffer>;
  #lossSum = 0;
  #correct = 0;
  #count = 0;

  constructor(shard: Shard, classes: number) {
    this.#labels = shard.y;
    this.#perSample = labelsPerSample(shard);
    this.#classes = classes;
    const told = classes > MOST_CLASSES_TOLD ? 0 : classes;
    this.#counts = new Uint32Array(told);
    this.#hits = new Uint32Array(told);
    this.#right = new Uint8Array(shard.y.length);
  }

  /** For each label so far, 1 where it was predicted right. */
  get right(): Uint8Array<ArrayBuffer> {
    return this.#right;
  }

  /**
   * @param logits of the samples that follow, row by row
   * @throws Problem `non-finite-values` where they give no finite loss
   */
  add(logits: Float32Array): void {
    const rows = logits.length / this.#classes;
    for (let row = 0; row < rows; row++) {
      const place = this.#count + row;
      const label = this.#labels[place] ?? -1;
      const { loss, predicted } = crossEntropy(logits, row * this.#classes, this.#classes, label);
      if (!Number.isFinite(loss)) throw notFinite(Math.floor(place / this.#perSample));
      this.#lossSum += loss;
      if (label < this.#counts.length) this.#counts[label] = (this.#counts[label] ?? 0) + 1;
      if (predicted !== label) continue;
      this.#correct++;
      this.#right[place] = 1;
      if (label < this.#hits.length) this.#hits[label] = (this.#hits[label] ?? 0) + 1;
    }
    this.#count += rows;
  }

  /** @param members what {@link right} was for each member of a grid */
  sums(members: readonly Uint8Array[] = []): ClassificationSums {
    return {
      task: "classification",
      lossSum: this.#lossSum,
      correct: this.#correct,
      count: this.#count,
      classes: Array.from(this.#counts, (count, index) => ({ correct: this.#hits[index] ?? 0, count })),
      correctWith: members.map((member) => bothRight(this.#right, member)),
    };
  }
}

/** Adds up a regression's squared errors in float64. */
export class RegressionTally {
  readonly #targets: Float32Array;
  readonly #perSample: number;
  #squaredErrorSum = 0;
  #count = 0;

  constructor({ targets, count }: RegressionShard) {
    this.#targets = targets;
    this.#perSample = targets.length / count;
  }

  /**
   * @param predictions of the samples that follow, row by row
   * @throws Problem `non-finite-values`
   */
  add(predictions: Float32Array): void {
    for (let index = 0; index < predictions.length; index++) {
      const place = this.#count + index;
      const error = (predictions[index] ?? Number.NaN) - (this.#targets[place] ?? Number.NaN);
      if (!Number.isFinite(error)) throw notFinite(Math.floor(place / this.#perSample));
      this.#squaredErrorSum += error * error;
    }
    this.#count += predictions.length;
  }

  sums(): RegressionSums {
    return { task: "regression", squaredErrorSum: this.#squaredErrorSum, count: this.#count };
  }
}

function notFinite(sample: number): Problem {
  return new Problem("non-finite-values", `The model's output for sample ${sample} is not a finite number.`, {
    sample,
  });
}

function bothRight(a: Uint8Array, b: Uint8Array): number {
  let both = 0;
  for (let index = 0; index < a.length; index++) both += (a[index] ?? 0) & (b[index] ?? 0);
  return both;
}

/** Cross-entropy of one row by log-sum-exp, and the first class with the largest logit. */
function crossEntropy(
  logits: Float32Array,
  offset: number,
  classes: number,
  label: number,
): { loss: number; predicted: number } {
  let largest = -Infinity;
  let predicted = 0;
  for (let k = 0; k < classes; k++) {
    const logit = logits[offset + k] ?? Number.NaN;
    if (logit > largest) {
      largest = logit;
      predicted = k;
    }
  }
  let sum = 0;
  for (let k = 0; k < classes; k++) sum += Math.exp((logits[offset + k] ?? Number.NaN) - largest);
  return { loss: Math.log(sum) + largest - (logits[offset + label] ?? Number.NaN), predicted };
}
