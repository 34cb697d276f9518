import { equalShares, learnedBudget, type SoupKind } from "../../shared/fusion/soup/index.ts";
import { Problem } from "../../shared/problem.ts";
import type { SoupRecord } from "../catalog/soups.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { prepareEvaluation } from "../probing/evaluation.ts";
import { evaluationOf } from "./evaluate.ts";
import type { OpenCandidate } from "./question.ts";

/**
 * Whether every evaluation of the search together is what a request may do. It counts as if each were of the candidate
 * that takes most. Candidates that are read alike cost the same, so one of them is measured: largest files first, as they
 * are likely to decide it.
 * @throws Problem what looking into a candidate throws that is not about the candidate
 */
export async function isLittleWork(
  environment: Environment,
  { question }: Pick<SoupRecord, "question">,
  candidates: readonly OpenCandidate[],
): Promise<boolean> {
  const most = limitsOf(environment).inlineProbeOperations / evaluationsOf(question.kind, candidates.length);
  const measured = new Set<string>();
  for (const { id, reading } of candidates.toSorted((a, b) => b.bytes - a.bytes)) {
    if (measured.has(reading)) continue;
    try {
      const evaluation = await evaluationOf(environment, question, equalShares([id]));
      if ((await prepareEvaluation(environment, evaluation)).operations > most) return false;
      measured.add(reading);
    } catch (error) {
      // One that cannot be evaluated says nothing of the others.
      if (!(error instanceof Problem) || error.status !== 422) throw error;
    }
  }
  return true;
}

/** How many models a search evaluates at most. */
function evaluationsOf(kind: SoupKind, candidates: number): number {
  switch (kind) {
    case "uniform":
      return candidates + 1;
    case "greedy":
      return 2 * candidates - 1;
    case "learned":
      return 2 * candidates - 1 + learnedBudget(candidates);
    default:
      return kind satisfies never;
  }
}
