import type { OptimizerSpec } from "../../../../trainer/training/regime.ts";

/** A parameter of the reference: plain numbers, float64. */
export interface ReferenceParameter {
  readonly weights: number[];
  /** 1 = frozen. */
  readonly frozen: readonly number[];
}

/**
 * torch.optim in float64, entry by entry, as its documentation writes it, sharing nothing with the trainer. Frozen entries
 * are left out: they have no gradient, no memory and no say in the clipping norm.
 * @param gradients by step, by parameter
 * @param rates by step
 */
export function optimizeReference(
  spec: OptimizerSpec,
  parameters: readonly ReferenceParameter[],
  gradients: readonly (readonly (readonly number[])[])[],
  rates: readonly number[],
  clipNorm: number | undefined,
): void {
  const memory = parameters.map(({ weights }) => weights.map(() => ({ first: 0, second: 0 })));
  for (const [t, rate] of rates.entries()) {
    let norm = 0;
    for (const [p, { weights, frozen }] of parameters.entries()) {
      for (const i of weights.keys()) if (frozen[i] !== 1) norm += (gradients[t]?.[p]?.[i] ?? Number.NaN) ** 2;
    }
    const clip = clipNorm === undefined ? 1 : Math.min(1, clipNorm / (Math.sqrt(norm) + 1e-6));
    for (const [p, { weights, frozen }] of parameters.entries()) {
      for (const i of weights.keys()) {
        const own = memory[p]?.[i];
        if (frozen[i] === 1 || own === undefined) continue;
        const gradient = clip * (gradients[t]?.[p]?.[i] ?? Number.NaN);
        weights[i] = moved(spec, weights[i] ?? Number.NaN, gradient, own, rate, t + 1);
      }
    }
  }
}

function moved(
  spec: OptimizerSpec,
  weight: number,
  gradient: number,
  own: { first: number; second: number },
  rate: number,
  t: number,
): number {
  if (spec.name === "sgd") {
    const penalised = gradient + spec.weightDecay * weight;
    if (spec.momentum === 0) return weight - rate * penalised;
    own.first = t === 1 ? penalised : spec.momentum * own.first + penalised;
    return weight - rate * (spec.nesterov ? penalised + spec.momentum * own.first : own.first);
  }
  const { beta1, beta2, epsilon, weightDecay } = spec;
  const decayed = spec.name === "adamw" ? weight - rate * weightDecay * weight : weight;
  const slope = spec.name === "adam" ? gradient + weightDecay * weight : gradient;
  own.first = beta1 * own.first + (1 - beta1) * slope;
  own.second = beta2 * own.second + (1 - beta2) * slope ** 2;
  const first = own.first / (1 - beta1 ** t);
  const second = own.second / (1 - beta2 ** t);
  return decayed - (rate * first) / (Math.sqrt(second) + epsilon);
}
