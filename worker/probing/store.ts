import { type ProbeDescription, probeDescription } from "../../shared/api/probes.ts";
import { barrierChart } from "../../shared/evaluation/chart.ts";
import type { ProbeId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { insertProbe, isListed } from "../catalog/probes.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { engineOf } from "../engine/engine.ts";
import { chartKey, probeKey } from "../objects/keys.ts";
import { putOnce } from "../objects/put-once.ts";
import { answerQuestion } from "./answer.ts";
import type { ResolvedQuestion } from "./question.ts";

/**
 * Answers a question and stores the answer; where two answer at once, the first one's is kept.
 * @param batch samples at a time
 * @throws Problem what `answerQuestion` throws; nothing is stored then
 */
export async function answerAndStore(
  environment: Environment,
  question: ResolvedQuestion,
  batch: number | undefined,
  now: () => Date,
): Promise<{ readonly probe: ProbeDescription; readonly isNew: boolean }> {
  const engine = await engineOf(limitsOf(environment).memoryBudgetBytes);
  const report = await engine.turns.run(() => answerQuestion(environment, engine, question, batch));
  const probe: ProbeDescription = {
    id: question.id,
    a: question.a.id,
    b: question.b.id,
    shards: question.shards.map(({ id }) => id),
    ...report,
    points: [...report.points],
    createdAt: now().toISOString(),
  };
  try {
    const stored = await storeProbe(environment.BUCKET, probe);
    await insertProbe(environment.CATALOG, stored);
    return { probe: stored, isNew: stored === probe };
  } catch (error) {
    await discardUnlisted(environment, probe.id).catch(() => undefined);
    throw error;
  }
}

/** Deletes an answer that no list knows, and its picture: whoever asks again answers it again. */
async function discardUnlisted({ BUCKET, CATALOG }: Environment, id: ProbeId): Promise<void> {
  if (!(await isListed(CATALOG, id))) await BUCKET.delete([probeKey(id), chartKey(id)]);
}

/** The answer goes last, after its picture, since it is what makes the probe exist. */
async function storeProbe(bucket: R2Bucket, probe: ProbeDescription): Promise<ProbeDescription> {
  const title = `Between ${probe.a.slice(0, 8)} and ${probe.b.slice(0, 8)}`;
  const picture = barrierChart(title, [{ label: `${probe.samples} samples`, points: probe.points }]);
  await putOnce(bucket, chartKey(probe.id), picture, "image/svg+xml");
  const isFirst = await putOnce(bucket, probeKey(probe.id), JSON.stringify(probe), "application/json");
  return isFirst ? probe : requireProbe(bucket, probe.id);
}

export async function findProbe(bucket: R2Bucket, id: ProbeId): Promise<ProbeDescription | undefined> {
  const object = await bucket.get(probeKey(id));
  return object === null ? undefined : probeDescription.parse(await object.json());
}

/** @throws Problem `probe-not-found` */
async function requireProbe(bucket: R2Bucket, id: ProbeId): Promise<ProbeDescription> {
  const probe = await findProbe(bucket, id);
  if (probe === undefined) throw probeNotFound(id);
  return probe;
}

export function probeNotFound(id: ProbeId): Problem {
  return new Problem("probe-not-found", `There is no probe ${id}.`, { probe: id });
}
