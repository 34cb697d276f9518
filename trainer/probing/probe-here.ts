import { setImmediate as breathe } from "node:timers/promises";
import type { EvaluationForm } from "../../shared/api/evaluation-form.ts";
import { describeProbe } from "../../shared/api/describe-probe.ts";
import type { ProbeDescription, ProbeQuestion } from "../../shared/api/probes.ts";
import { Mixture } from "../../shared/evaluation/mixture.ts";
import { planePositions } from "../../shared/evaluation/plane-geometry.ts";
import { evaluateGrid, recomputeGrid } from "../../shared/evaluation/probe.ts";
import { gridOf, probeIdOf } from "../../shared/evaluation/question.ts";
import { type EvaluationSums, mergeShards } from "../../shared/evaluation/sums.ts";
import { evaluableOfNetwork } from "../../shared/evaluation/topology/evaluable-network.ts";
import type { Weights } from "../../shared/models/index.ts";
import type { ProgressBar } from "../command-line/progress-bar.ts";
import { bindModels, type LocalTopologies } from "./bind-models.ts";
import { type LocalModel, naming } from "./local-models.ts";
import type { LocalShard } from "./local-shards.ts";

/** A question with everything that it is about at hand. */
export interface LocalQuestion {
  /** Models and shards by their ids. */
  readonly question: ProbeQuestion;
  /** In the question's order. */
  readonly models: readonly LocalModel[];
  readonly shards: readonly LocalShard[];
  readonly calibration: LocalShard | undefined;
  readonly form: EvaluationForm | undefined;
  readonly topologies: LocalTopologies;
}

export interface ProbeHereOptions {
  readonly signal: AbortSignal;
  readonly progress: ProgressBar;
  readonly now: () => Date;
}

/**
 * Answers a question on this machine, on the current tfjs backend: as a worker would, down to the probe's id.
 * @throws Failure naming the file that does not fit; the signal's reason
 */
export async function probeHere(
  { question, models, shards, calibration, form, topologies }: LocalQuestion,
  { signal, progress, now }: ProbeHereOptions,
): Promise<ProbeDescription> {
  const { network, endpoints } = await bindModels(models, form, topologies);
  const grid = gridOf(question);
  const evaluable = evaluableOfNetwork(network, endpoints);
  let mixture: Mixture | undefined;
  try {
    mixture = new Mixture(evaluable, endpoints);
    const options = {
      ...(question.batch === undefined ? {} : { batch: question.batch }),
      onPoint: () => progress.advance(1),
    };
    let statistics;
    if (calibration !== undefined) {
      progress.begin("recomputing statistics", grid.points.length);
      try {
        statistics = recomputeGrid(mixture, grid, calibration.shard, options);
      } catch (error) {
        throw naming(calibration.path, error);
      }
    }
    progress.begin("probing", grid.points.length * shards.length);
    const sums: EvaluationSums[][] = [];
    for (const { path, shard } of shards) {
      // Evaluation leaves no time for signals; between two shards there is some.
      await breathe();
      signal.throwIfAborted();
      try {
        const own = statistics === undefined ? options : { ...options, statistics };
        sums.push(evaluateGrid(mixture, grid, shard, own));
      } catch (error) {
        throw naming(path, error);
      }
    }
    progress.end();
    const buffers = new Set(evaluable.normalizations.flatMap(({ meanName, varianceName }) => [meanName, varianceName]));
    const ids = shards.map(({ id }) => id);
    const answered = {
      id: probeIdOf(question, ids),
      question,
      grid,
      shards: ids,
      ...(grid.kind === "plane" ? { positions: planePositions(threeOf(endpoints), buffers) } : {}),
      createdAt: now().toISOString(),
    };
    return describeProbe(answered, mergeShards(sums));
  } finally {
    mixture?.dispose();
    evaluable.dispose();
  }
}

function threeOf([a, b, c]: readonly Weights[]): [Weights, Weights, Weights] {
  if (a === undefined || b === undefined || c === undefined) throw new RangeError("a plane goes through three models");
  return [a, b, c];
}
