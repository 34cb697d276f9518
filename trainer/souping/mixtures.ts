import { setImmediate as breathe } from "node:timers/promises";
import type { EvaluationForm } from "../../shared/api/evaluation-form.ts";
import { recomputeStatistics } from "../../shared/evaluation/batch-statistics.ts";
import { evaluateShard } from "../../shared/evaluation/evaluate.ts";
import { Mixture } from "../../shared/evaluation/mixture.ts";
import { addSums, type EvaluationSums, meansOf } from "../../shared/evaluation/sums.ts";
import { evaluableOfNetwork } from "../../shared/evaluation/topology/evaluable-network.ts";
import { networkId } from "../../shared/evaluation/topology/network.ts";
import type { SoupMeasure, SoupShare } from "../../shared/fusion/soup/index.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { bindModel, type BoundModel, type LocalTopologies } from "../probing/bind-models.ts";
import type { LocalModel } from "../probing/local-models.ts";
import type { LocalShard } from "../probing/local-shards.ts";

/** What candidates are evaluated on, and how. */
export interface HeldOut {
  readonly shards: readonly LocalShard[];
  readonly calibration: LocalShard | undefined;
  readonly form: EvaluationForm | undefined;
  readonly topologies: LocalTopologies;
  readonly batch: number | undefined;
}

/** Candidates that can be mixed: all of one network. */
interface Bowl {
  readonly mixture: Mixture;
  /** Place of each candidate among the mixture's endpoints. */
  readonly places: ReadonlyMap<CheckpointId, number>;
}

/**
 * The candidates of a soup on the current tfjs backend, each uploaded once. What cannot be read as a network is found out
 * when it is asked for, so that a soup can do without it.
 */
export class CandidateMixtures {
  readonly #heldOut: HeldOut;
  readonly #bound: readonly (BoundModel & { readonly bowl: string })[];
  readonly #unfit: ReadonlyMap<CheckpointId, unknown>;
  readonly #bowls = new Map<string, Bowl>();

  private constructor(
    heldOut: HeldOut,
    bound: readonly (BoundModel & { readonly bowl: string })[],
    unfit: ReadonlyMap<CheckpointId, unknown>,
  ) {
    this.#heldOut = heldOut;
    this.#bound = bound;
    this.#unfit = unfit;
  }

  static async of(models: readonly LocalModel[], heldOut: HeldOut): Promise<CandidateMixtures> {
    const bound: (BoundModel & { readonly bowl: string })[] = [];
    const unfit = new Map<CheckpointId, unknown>();
    for (const model of models) {
      try {
        const one = await bindModel(model, heldOut.form, heldOut.topologies);
        bound.push({ ...one, bowl: networkId(one.network) });
      } catch (error) {
        unfit.set(model.id, error);
      }
    }
    return new CandidateMixtures(heldOut, bound, unfit);
  }

  /**
   * Measures a weighted mean of candidates of one network.
   * @param onShard called after each shard
   * @throws Problem why a candidate, or the mean, cannot be evaluated; the signal's reason
   */
  async measure(shares: readonly SoupShare[], onShard: () => void, signal: AbortSignal): Promise<SoupMeasure> {
    const broken = shares.find(({ candidate }) => this.#unfit.has(candidate));
    if (broken !== undefined) throw this.#unfit.get(broken.candidate);
    const { mixture, places } = this.#bowlOf(shares);
    const coefficients = Array.from(places, () => 0);
    for (const { candidate, weight } of shares) coefficients[places.get(candidate) ?? -1] = weight;
    mixture.moveTo(coefficients);
    const { shards, calibration, batch } = this.#heldOut;
    if (calibration !== undefined) recomputeStatistics(mixture.evaluable, calibration.shard, batch);
    let sums: EvaluationSums | undefined;
    for (const { shard } of shards) {
      // Evaluation leaves no time for signals; between two shards there is some.
      await breathe();
      signal.throwIfAborted();
      const own = evaluateShard(mixture.evaluable, shard, batch);
      sums = sums === undefined ? own : addSums(sums, own);
      onShard();
    }
    if (sums === undefined) throw new RangeError("there is no shard to evaluate on");
    return meansOf(sums);
  }

  #bowlOf(shares: readonly SoupShare[]): Bowl {
    const first = this.#bound.find(({ model }) => model.id === shares[0]?.candidate);
    if (first === undefined) throw new RangeError("a mixture is of candidates");
    const known = this.#bowls.get(first.bowl);
    if (known !== undefined) return known;
    const mates = this.#bound.filter(({ bowl }) => bowl === first.bowl);
    const endpoints = mates.map(({ weights }) => weights);
    const evaluable = evaluableOfNetwork(first.network, endpoints);
    try {
      const bowl = {
        mixture: new Mixture(evaluable, endpoints, true),
        places: new Map(mates.map(({ model }, place) => [model.id, place])),
      };
      this.#bowls.set(first.bowl, bowl);
      return bowl;
    } catch (error) {
      evaluable.dispose();
      throw error;
    }
  }

  dispose(): void {
    for (const { mixture } of this.#bowls.values()) mixture.dispose();
    this.#bowls.clear();
  }
}
