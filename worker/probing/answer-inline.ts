import type { ProbeDescription, ProbeQuestion } from "../../shared/api/probes.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { answerOver, positionsOf } from "./answer.ts";
import { evaluateModels } from "./evaluate-models.ts";
import { type PreparedEvaluation, prepareEvaluation } from "./evaluation.ts";
import { type ResolvedQuestion, resolveQuestion } from "./question.ts";
import { findProbe, storeAnswer } from "./store.ts";

/** Whether a request may answer a question itself. */
export function isLittleWork(environment: Environment, { operations }: PreparedEvaluation): boolean {
  return operations <= limitsOf(environment).inlineProbeOperations;
}

/**
 * Answers a question in this invocation and stores the answer.
 * @throws Problem what `evaluateUnit` throws; nothing is stored then
 */
export async function answerNow(
  environment: Environment,
  question: ResolvedQuestion,
  prepared: PreparedEvaluation,
  now: () => Date,
): Promise<{ readonly probe: ProbeDescription; readonly isNew: boolean }> {
  const totals = await evaluateModels(environment, prepared);
  const positions = await positionsOf(environment, prepared);
  return storeAnswer(environment, answerOver(question, totals, { positions, createdAt: now().toISOString() }));
}

/**
 * The answer to a question, as it is stored or worked out now.
 * @returns undefined where that is more work than a request does; a Workflow can do it (`startProbe`)
 * @throws Problem what resolving and evaluating throw; nothing is stored then
 */
export async function answerInline(
  environment: Environment,
  asked: ProbeQuestion,
  now: () => Date,
): Promise<ProbeDescription | undefined> {
  const question = await resolveQuestion(environment.CATALOG, asked);
  const known = await findProbe(environment.BUCKET, question.id);
  if (known !== undefined) return known;
  const prepared = await prepareEvaluation(environment, question);
  if (!isLittleWork(environment, prepared)) return undefined;
  return (await answerNow(environment, question, prepared, now)).probe;
}
