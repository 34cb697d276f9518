import { encodeShard } from "../../shared/evaluation/shard.ts";
import { encodeSafetensors } from "../../shared/safetensors/index.ts";

/**
 * A family of tiny networks with a known barrier: a teacher that is right on all its data, networks near it, and the
 * teacher with its hidden neurons in another order, which computes the same function but averages badly.
 */

const [INPUTS, HIDDEN, CLASSES] = [4, 8, 2];
const ARCHITECTURE = { architecture: "mlp", input: [2, 2], hidden: [HIDDEN], classes: CLASSES };

export interface Network {
  /** [inputs, hidden], row by row. */
  readonly inner: readonly number[];
  /** [hidden, classes]. */
  readonly outer: readonly number[];
}

/** The same numbers each time: a small linear congruential generator, from -1 to 1. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

function draw(seed: number, count: number, scale = 1): number[] {
  const next = numbers(seed);
  return Array.from({ length: count }, () => scale * next());
}

export const TEACHER: Network = {
  inner: draw(7, INPUTS * HIDDEN, 2),
  outer: draw(11, HIDDEN * CLASSES, 2),
};

/** The same function: hidden neurons rotated by one. */
export function permuted({ inner, outer }: Network): Network {
  const from = (neuron: number) => (neuron + 1) % HIDDEN;
  return {
    inner: inner.map((_, at) => inner[at - (at % HIDDEN) + from(at % HIDDEN)] ?? 0),
    outer: outer.map((_, at) => outer[CLASSES * from(Math.floor(at / CLASSES)) + (at % CLASSES)] ?? 0),
  };
}

/** A network not far from it. */
export function near({ inner, outer }: Network, seed: number, distance: number): Network {
  const noise = draw(seed, inner.length + outer.length, distance);
  return {
    inner: inner.map((value, at) => value + (noise[at] ?? 0)),
    outer: outer.map((value, at) => value + (noise[inner.length + at] ?? 0)),
  };
}

/** Every weight is NaN. */
export const BROKEN: Network = {
  inner: TEACHER.inner.map(() => Number.NaN),
  outer: TEACHER.outer.map(() => Number.NaN),
};

export function checkpointOf({ inner, outer }: Network): Uint8Array<ArrayBuffer> {
  const tensor = (shape: readonly number[], values: readonly number[]) => ({
    dtype: "F32" as const,
    shape: [...shape],
    data: new Uint8Array(new Float32Array(values).buffer),
  });
  const zeros = (length: number) => Array.from({ length }, () => 0);
  return encodeSafetensors(
    new Map([
      ["hidden_0/kernel", tensor([INPUTS, HIDDEN], inner)],
      ["hidden_0/bias", tensor([HIDDEN], zeros(HIDDEN))],
      ["output/kernel", tensor([HIDDEN, CLASSES], outer)],
      ["output/bias", tensor([CLASSES], zeros(CLASSES))],
    ]),
    { "edgefuse.model": JSON.stringify(ARCHITECTURE) },
  );
}

/** Samples with the teacher's own answers. */
export function teacherShard(count: number, seed: number): Uint8Array<ArrayBuffer> {
  const x = draw(seed, count * INPUTS);
  const y = Array.from({ length: count }, (_, sample) =>
    classOf(TEACHER, x.slice(sample * INPUTS, (sample + 1) * INPUTS)),
  );
  return encodeShard({
    count,
    inputShape: [2, 2],
    x: new Float32Array(x),
    y: new Int32Array(y),
    scale: 1,
    offset: 0,
  });
}

function classOf({ inner, outer }: Network, sample: readonly number[]): number {
  const hidden = Array.from({ length: HIDDEN }, (_, neuron) =>
    Math.max(
      0,
      sample.reduce((sum, value, at) => sum + value * (inner[at * HIDDEN + neuron] ?? 0), 0),
    ),
  );
  const logits = Array.from({ length: CLASSES }, (_, k) =>
    hidden.reduce((sum, value, neuron) => sum + value * (outer[neuron * CLASSES + k] ?? 0), 0),
  );
  return logits.indexOf(Math.max(...logits));
}
