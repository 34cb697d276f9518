import type { Visibility } from "../../shared/api/fusions.ts";
import { equalShares, learnedBudget, searchSoup, type SoupKind } from "../../shared/fusion/soup/index.ts";
import type { SoupId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { forgetSoup, insertSoup, requireSoup, type SoupRecord } from "../catalog/soups.ts";
import { KeyedTurns } from "../engine/turns.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { prepareEvaluation } from "../probing/evaluation.ts";
import { keepCooking, startSoup } from "./background.ts";
import { serveSoup } from "./cook.ts";
import { evaluationOf, journaledEvaluator } from "./evaluate.ts";
import { candidatesOf } from "./question.ts";

export interface SoupRequest extends Pick<SoupRecord, "id" | "question"> {
  readonly visibility: Visibility;
  /** Leaves the work to a Workflow, however little it is. */
  readonly isAsync: boolean;
}

/** The same soup asked for twice at once is made once. */
const making = new KeyedTurns<SoupId>(30_000);

/**
 * Brings a soup about: within the request where that is little work, else by a Workflow. What is there already is not
 * made again; what failed is tried anew.
 * @throws Problem what searching throws, where the request itself searches; nothing is stored then
 */
export async function requestSoup(
  environment: Environment,
  request: SoupRequest,
  now: () => Date,
): Promise<{ readonly soup: SoupRecord; readonly isNew: boolean }> {
  return making.run(request.id, async () => {
    const { CATALOG } = environment;
    const isNew = await insertSoup(CATALOG, request, now().toISOString());
    const soup = await requireSoup(CATALOG, request.id);
    if (soup.state === "succeeded") return { soup, isNew: false };
    // What a request began and did not end, it may begin again: nobody else in this isolate is at it.
    if (soup.state === "running" && soup.attempt > 0) {
      await keepCooking(environment, soup, now);
    } else if (request.isAsync || soup.state === "failed" || !(await isLittleWork(environment, request))) {
      await startSoup(environment, soup, now);
    } else {
      await cookNow(environment, soup, now);
    }
    return { soup: await requireSoup(CATALOG, request.id), isNew };
  });
}

async function cookNow(environment: Environment, soup: SoupRecord, now: () => Date): Promise<void> {
  try {
    const { kind, candidates } = soup.question;
    const evaluate = journaledEvaluator(environment, soup, now);
    const outcome = await searchSoup(kind, await candidatesOf(environment, candidates), evaluate);
    await serveSoup(environment, soup, outcome, now);
  } catch (error) {
    await forgetSoup(environment.CATALOG, soup.id);
    throw error;
  }
}

/** Whether every evaluation of the search together is what a request may do. */
async function isLittleWork(environment: Environment, { question }: Pick<SoupRecord, "question">): Promise<boolean> {
  const most = limitsOf(environment).inlineProbeOperations / evaluationsOf(question.kind, question.candidates.length);
  for (const candidate of question.candidates) {
    try {
      const evaluation = await evaluationOf(environment, question, equalShares([candidate]));
      const { operations } = await prepareEvaluation(environment, evaluation);
      return operations <= most;
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
