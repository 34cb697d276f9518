import type { ProblemDocument } from "../../shared/api/problem.ts";
import { createProbeRequest } from "../../shared/api/probes.ts";
import type { ProbeId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { type DonePart, forgetOldProgress, forgetParts, insertParts, listDone } from "../catalog/probe-parts.ts";
import { failProbe, findQuestion, keepPositions, type KeptQuestion, touchProbe } from "../catalog/probe-questions.ts";
import type { Environment } from "../environment.ts";
import { answerOver, keptTotals, positionsOf } from "../probing/answer.ts";
import { evaluateUnit } from "../probing/evaluate-unit.ts";
import { type PreparedEvaluation, prepareEvaluation } from "../probing/evaluation.ts";
import { type ResolvedQuestion, resolveQuestion } from "../probing/question.ts";
import { findProbe, storeAnswer } from "../probing/store.ts";
import { type Unit, unitsOf } from "../probing/units.ts";
import { problemDocument } from "../problems/render.ts";
import { Superseded } from "./outcome.ts";

export interface ProbeContext {
  readonly environment: Environment;
  readonly id: ProbeId;
  readonly attempt: number;
  now(): Date;
}

/** Steps that evaluate; an instance may have some thousand, and each costs the platform some work. */
const MOST_GROUPS = 200;

/** What nobody came back for in this time is forgotten. */
const KEPT_MS = 7 * 24 * 3_600_000;

/** @throws Superseded where another attempt has taken over, or the probe is answered */
async function stayCurrent({ environment, id, attempt, now }: ProbeContext): Promise<void> {
  if (!(await touchProbe(environment.CATALOG, id, attempt, now().toISOString()))) throw new Superseded();
}

async function resolve({ environment, id }: ProbeContext): Promise<ResolvedQuestion & { readonly kept: KeptQuestion }> {
  const kept = await findQuestion(environment.CATALOG, id);
  if (kept === undefined) throw new Superseded();
  const resolved = await resolveQuestion(environment.CATALOG, createProbeRequest.parse(kept.question));
  return { ...resolved, kept };
}

async function prepare(context: ProbeContext): Promise<ResolvedQuestion & PreparedEvaluation> {
  const resolved = await resolve(context);
  return { ...resolved, ...(await prepareEvaluation(context.environment, resolved)) };
}

/** How the work is cut, from the first step to the last: a deployment may change its limits in between. */
export interface ProbePlan {
  readonly groups: number;
  /** Of a unit at most. */
  readonly unitOperations: number;
}

/**
 * Looks into the question.
 * @throws Problem what keeps it from being answered
 */
export async function planProbe(context: ProbeContext): Promise<ProbePlan> {
  const { environment, id, now } = context;
  const { CATALOG } = environment;
  await forgetOldProgress(CATALOG, new Date(now().getTime() - KEPT_MS).toISOString());
  await stayCurrent(context);
  const prepared = await prepare(context);
  const { workload, unitOperations } = prepared;
  const units = unitsOf(workload, unitOperations);
  // What an earlier attempt kept is of use where it was cut alike.
  if (!(await listDone(CATALOG, id)).every((part) => units.some((unit) => isOf(part, unit)))) {
    await forgetParts(CATALOG, id);
  }
  await keepPositions(CATALOG, id, await positionsOf(environment, prepared));
  return { groups: groupsOf(units).length, unitOperations };
}

function isOf(part: DonePart, { firstShard, lastShard, firstPoint, lastPoint }: Unit): boolean {
  return (
    firstShard <= part.shard &&
    part.shard <= lastShard &&
    part.first === firstPoint &&
    part.points === lastPoint - firstPoint + 1
  );
}

/** Runs of units, one for each step. */
function groupsOf(units: readonly Unit[]): (readonly Unit[])[] {
  const size = Math.max(1, Math.ceil(units.length / MOST_GROUPS));
  return Array.from({ length: Math.ceil(units.length / size) }, (_, index) =>
    units.slice(index * size, (index + 1) * size),
  );
}

/** Evaluates the units of a group that are not kept yet, and keeps each. */
export async function evaluateGroup(
  context: ProbeContext,
  { unitOperations }: ProbePlan,
  index: number,
): Promise<null> {
  const { environment, id, now } = context;
  const { CATALOG } = environment;
  const prepared = await prepare(context);
  const done = await listDone(CATALOG, id);
  for (const unit of groupsOf(unitsOf(prepared.workload, unitOperations))[index] ?? []) {
    const shards = unit.lastShard - unit.firstShard + 1;
    if (done.filter((part) => isOf(part, unit)).length === shards) continue;
    await stayCurrent(context);
    await insertParts(CATALOG, id, await evaluateUnit(environment, prepared, unit), now().toISOString());
  }
  return null;
}

/** Adds up what is kept, and stores the answer. */
export async function answerFromParts(context: ProbeContext): Promise<null> {
  const { environment, id, now } = context;
  // An earlier run of this step may have ended after it had stored the answer.
  if ((await findProbe(environment.BUCKET, id)) !== undefined) return null;
  await stayCurrent(context);
  const resolved = await resolve(context);
  const { shardsDone, totals } = await keptTotals(environment, resolved);
  if (totals === undefined || shardsDone.length !== resolved.shards.length) {
    throw new Error(`${shardsDone.length} of ${resolved.shards.length} shards are kept`);
  }
  const facts = { positions: resolved.kept.positions, createdAt: now().toISOString() };
  await storeAnswer(environment, answerOver(resolved, totals, facts));
  return null;
}

/** Says why the probe failed. @param problem undefined for what should not happen, whose cause goes to the log */
export async function abandonProbe(
  { environment, id, attempt }: ProbeContext,
  problem: ProblemDocument | undefined,
  cause: string,
): Promise<void> {
  if (problem === undefined) {
    console.error(JSON.stringify({ level: "error", code: "internal", probe: id, cause }));
  }
  const internal = new Problem("internal", "The probe failed inside edgefuse, again and again; ask for it anew.");
  await failProbe(environment.CATALOG, id, attempt, problem ?? problemDocument(internal, `/v1/probes/${id}`));
}
