import { createProbeRequest, type ProbeDescription, type ProbeQuestion } from "../../shared/api/probes.ts";
import { type GateFacts, type ModelMeasure } from "../../shared/evaluation/gate.ts";
import { meansOf } from "../../shared/evaluation/sums.ts";
import { requireDataset } from "../catalog/datasets.ts";
import type { GateQuestion } from "../catalog/gates.ts";
import { findShards } from "../catalog/shards.ts";
import type { Environment } from "../environment.ts";
import { findEndpoint } from "../probing/endpoints.ts";
import { isLittleWork } from "../probing/answer-inline.ts";
import { evaluateOne } from "../probing/evaluate-models.ts";
import { type PreparedEvaluation, prepareEvaluation } from "../probing/evaluation.ts";

/** A probe takes no more models around their mean. */
const MOST_PROBED = 16;

/**
 * What is asked about the parents: the path between two, the mean of more. The same question that anyone may ask.
 * @returns undefined where there is one parent only, or too many for a probe
 */
export function parentsQuestion(gate: GateQuestion): ProbeQuestion | undefined {
  const { parents, dataset, version, points, statistics, calibration, as } = gate;
  const common = {
    dataset,
    version,
    statistics,
    ...(calibration === undefined ? {} : { calibration }),
    ...(as === undefined ? {} : { as }),
  };
  const ids = parents.map(({ id }) => id);
  if (ids.length < 2 || ids.length > MOST_PROBED) return undefined;
  const [a, b] = ids;
  return createProbeRequest.parse(
    ids.length === 2 ? { kind: "path", a, b, points, ...common } : { kind: "mean", models: ids, ...common },
  );
}

/**
 * Everything that a gate judges by: the parents as their probe has them, and the model, which is evaluated now.
 * @param probe of the parents; where there is none, they are evaluated one by one
 * @param beat shows that the work goes on; called before each unit of it. What it throws ends the work
 * @throws Problem as `evaluateModels` does
 */
export async function gatherFacts(
  environment: Environment,
  gate: GateQuestion,
  probe: ProbeDescription | undefined,
  beat: () => Promise<void>,
): Promise<GateFacts> {
  const { model, samples } = await measureOne(environment, gate, gate.model, beat);
  const shares = gate.parents.map(({ share }) => share);
  const ids = gate.parents.map(({ id }) => id);
  if (probe?.kind === "path") {
    const { accuracyBarrier, lossBarrier, points } = probe;
    const ends = [points.at(0), points.at(-1)].flatMap((point) => (point === undefined ? [] : [measureOf(point)]));
    return { path: { accuracyBarrier, lossBarrier }, parents: named(ids, ends), shares, model, samples };
  }
  const members: ModelMeasure[] = [];
  if (probe?.kind === "mean") members.push(...probe.members.map(measureOf));
  else for (const id of ids) members.push((await measureOne(environment, gate, id, beat)).model);
  return { path: null, parents: named(ids, members), shares, model, samples };
}

/**
 * Whether a request may evaluate what no probe of the parents tells: the model and, where it has one, its only parent.
 * @throws Problem as `prepareEvaluation` does
 */
export async function isLittleToEvaluate(environment: Environment, gate: GateQuestion): Promise<boolean> {
  const alone = gate.parents.length === 1 ? gate.parents.map(({ id }) => id) : [];
  for (const id of [gate.model, ...alone]) {
    if (!isLittleWork(environment, await prepareOne(environment, gate, id))) return false;
  }
  return true;
}

async function measureOne(
  environment: Environment,
  gate: GateQuestion,
  id: string,
  beat: () => Promise<void>,
): Promise<{ readonly model: ModelMeasure; readonly samples: number }> {
  const sums = await evaluateOne(environment, await prepareOne(environment, gate, id), beat);
  return { model: meansOf(sums), samples: sums.count };
}

async function prepareOne(
  environment: Environment,
  { dataset, version, statistics, calibration, as }: GateQuestion,
  id: string,
): Promise<PreparedEvaluation> {
  const { CATALOG } = environment;
  const { shards } = await requireDataset(CATALOG, dataset, version);
  const [samples] = calibration === undefined ? [] : await findShards(CATALOG, [calibration]);
  return prepareEvaluation(environment, {
    endpoints: [await findEndpoint(CATALOG, id)],
    grid: { kind: "mean", endpoints: 1, points: [[1]], members: [0], mean: 0, pairs: [] },
    shards: await findShards(CATALOG, shards),
    statistics,
    ...(samples === undefined ? {} : { calibration: samples }),
    ...(as === undefined ? {} : { form: as }),
  });
}

function measureOf({ accuracy, loss }: ModelMeasure): ModelMeasure {
  return { accuracy, loss };
}

function named(ids: readonly string[], measures: readonly ModelMeasure[]): GateFacts["parents"] {
  return ids.map((id, index) => {
    const measure = measures[index];
    if (measure === undefined) throw new Error(`the probe knows nothing of ${id}`);
    return { id, ...measure };
  });
}
