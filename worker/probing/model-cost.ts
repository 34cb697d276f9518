import type { Evaluable } from "../../shared/evaluation/evaluable.ts";
import { evaluableOfNetwork } from "../../shared/evaluation/topology/evaluable-network.ts";
import { type Network, networkId } from "../../shared/evaluation/topology/network.ts";
import type { Weights } from "../../shared/models/index.ts";
import type { Engine } from "../engine/engine.ts";

/** What a forward pass of one sample takes. */
export interface ModelCost {
  /** Bytes of intermediate results. */
  readonly activationBytes: number;
  /** Floating-point operations, about. */
  readonly operations: number;
  /** Values of one sample's output. */
  readonly outputs: number;
  /** Layers of batch normalisation. */
  readonly normalizations: number;
  /** Names of their running statistics. */
  readonly statisticNames: ReadonlySet<string>;
}

/** Costs of models that were met last; they are the same for all weights. */
const known = new Map<string, ModelCost>();
const KEPT = 64;

/**
 * What evaluating a network costs. One that was not met before is built once to be looked at, with the weights that it
 * is to be evaluated with: so it is known whether they fit, too.
 * @param hold the decoded weights of all endpoints
 * @throws Problem `over-budget` where there is no memory or no turn just now; `incompatible-weights`; what `hold` throws
 */
export async function costOf(
  engine: Engine,
  network: Network,
  weightBytes: number,
  hold: () => Promise<{ readonly weights: readonly Weights[]; release(): void }>,
): Promise<ModelCost> {
  const id = networkId(network);
  const met = known.get(id);
  if (met !== undefined) return met;
  return engine.turns.run(async () => {
    const ends = await hold();
    try {
      const cost = look(engine, network, weightBytes, ends.weights);
      for (const oldest of known.keys()) {
        if (known.size < KEPT) break;
        known.delete(oldest);
      }
      known.set(id, cost);
      return cost;
    } finally {
      ends.release();
    }
  });
}

function look(engine: Engine, network: Network, weightBytes: number, weights: readonly Weights[]): ModelCost {
  const lease = engine.budget.take(weightBytes);
  try {
    const evaluable = evaluableOfNetwork(network, weights);
    try {
      return {
        activationBytes: evaluable.activationBytesPerSample,
        operations: operationsOf(evaluable),
        outputs: evaluable.outputShape.reduce((product, size) => product * size, 1),
        normalizations: evaluable.normalizations.length,
        statisticNames: new Set(
          evaluable.normalizations.flatMap(({ meanName, varianceName }) => [meanName, varianceName]),
        ),
      };
    } finally {
      evaluable.dispose();
    }
  } finally {
    lease.release();
  }
}

/** Operations for a number that is computed, should the weights tell of fewer: attention multiplies activations. */
const OPERATIONS_PER_ACTIVATION = 8;

/**
 * Operations of a sample as the model tells them. Of a graph, a coarse estimate, on the high side for convolutions: their
 * kernels count as if at every pixel of the input, though later ones see smaller images. It decides how work is cut,
 * never a result.
 */
function operationsOf(evaluable: Evaluable): number {
  const { specs, inputShape, activationBytesPerSample, operationsPerSample } = evaluable;
  const pixels = inputShape.slice(0, -1).reduce((product, size) => product * size, 1);
  const counted = () =>
    specs.reduce((sum, { shape }) => {
      const size = shape.reduce((product, dimension) => product * dimension, 1);
      return sum + 2 * size * (shape.length >= 3 ? pixels : 1);
    }, 0);
  return Math.max(operationsPerSample ?? counted(), (OPERATIONS_PER_ACTIVATION * activationBytesPerSample) / 4);
}
