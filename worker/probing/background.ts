import { createProbeRequest, type PendingProbe, type ProbeDescription } from "../../shared/api/probes.ts";
import type { ProblemDocument } from "../../shared/api/problem.ts";
import { gridOf } from "../../shared/evaluation/question.ts";
import type { ProbeId } from "../../shared/identity.ts";
import { Problem, type ProblemCode, PROBLEMS } from "../../shared/problem.ts";
import { claimProbe, failProbe, findQuestion, insertQuestion, type KeptQuestion } from "../catalog/probe-questions.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { problemDocument } from "../problems/render.ts";
import { answerOver, keptTotals } from "./answer.ts";
import type { ResolvedQuestion } from "./question.ts";
import { findProbe } from "./store.ts";

/** How far a question is: answered, being answered, or given up. */
export type ProbeState =
  | { readonly kind: "answered"; readonly probe: ProbeDescription }
  | { readonly kind: "pending"; readonly probe: PendingProbe }
  | { readonly kind: "failed"; readonly problem: Problem };

/**
 * Has a question answered by a Workflow; of several who ask, one starts it. One that failed begins anew, with what was
 * evaluated before.
 */
export async function startProbe(
  environment: Environment,
  { id, question }: Pick<ResolvedQuestion, "id" | "question">,
  now: () => Date,
): Promise<void> {
  const { CATALOG } = environment;
  if (await insertQuestion(CATALOG, id, question, now().toISOString())) {
    await startAttempt(environment, id, 1);
    return;
  }
  const kept = await findQuestion(CATALOG, id);
  if (kept === undefined) return;
  if (kept.problem === null) await keepGoing(environment, id, kept, now);
  else await startNext(environment, id, kept, now);
}

/** @returns undefined where nobody asked for it, or the answer is lost */
export async function lookAtProbe(
  environment: Environment,
  id: ProbeId,
  now: () => Date,
): Promise<ProbeState | undefined> {
  const answered = await findProbe(environment.BUCKET, id);
  if (answered !== undefined) return { kind: "answered", probe: answered };
  const kept = await findQuestion(environment.CATALOG, id);
  if (kept === undefined) {
    // It may have been answered between the two looks.
    const probe = await findProbe(environment.BUCKET, id);
    return probe === undefined ? undefined : { kind: "answered", probe };
  }
  if (kept.problem !== null) return { kind: "failed", problem: problemFrom(kept.problem) };
  await keepGoing(environment, id, kept, now);
  return { kind: "pending", probe: await progressOf(environment, id, kept) };
}

/**
 * Takes a probe over that has shown no sign of life for long: the worker was killed, and its platform does not go on by
 * itself. The new attempt evaluates only what is not kept. Should the earlier one be alive after all, it finds itself
 * superseded and ends.
 */
async function keepGoing(environment: Environment, id: ProbeId, kept: KeptQuestion, now: () => Date): Promise<void> {
  const silentMs = now().getTime() - Date.parse(kept.updatedAt);
  if (silentMs >= limitsOf(environment).stallSeconds * 1000) await startNext(environment, id, kept, now);
}

async function startNext(
  environment: Environment,
  id: ProbeId,
  { attempt }: KeptQuestion,
  now: () => Date,
): Promise<void> {
  if (!(await claimProbe(environment.CATALOG, id, attempt, now().toISOString()))) return;
  await startAttempt(environment, id, attempt + 1);
}

/** @throws what the platform throws; the probe has failed then */
async function startAttempt({ CATALOG, PROBE_WORKFLOW }: Environment, id: ProbeId, attempt: number): Promise<void> {
  try {
    // The same probe may be asked for again after it was deleted, and no name is given twice.
    await PROBE_WORKFLOW.create({ params: { id, attempt } });
  } catch (error) {
    const problem = new Problem("internal", "The Workflow could not be started; ask for the probe anew.");
    await failProbe(CATALOG, id, attempt, problemDocument(problem, `/v1/probes/${id}`));
    throw error;
  }
}

/** How much of a probe's data was evaluated, and the answer over that. */
async function progressOf(environment: Environment, id: ProbeId, kept: KeptQuestion): Promise<PendingProbe> {
  const question = createProbeRequest.parse(kept.question);
  const shards = (question.shards ?? []).map((shard) => ({ id: shard }));
  const looked = { id, question, shards, grid: gridOf(question) };
  const { shardsDone, totals } = await keptTotals(environment, looked);
  const facts = { positions: kept.positions, createdAt: kept.createdAt, done: shardsDone };
  return {
    id,
    state: "running",
    progress: { shardsDone: shardsDone.length, shards: shards.length },
    partial: totals === undefined ? null : answerOver(looked, totals, facts),
    links: { self: `/v1/probes/${id}` },
  };
}

/** A problem as it was kept. */
function problemFrom({
  code,
  detail,
  type: _type,
  title: _title,
  status: _status,
  instance: _instance,
  ...members
}: ProblemDocument) {
  return new Problem(code in PROBLEMS ? (code as ProblemCode) : "internal", detail, members);
}
