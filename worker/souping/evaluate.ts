import type { EvaluateMixture, SoupMeasure, SoupShare } from "../../shared/fusion/soup/index.ts";
import { meansOf } from "../../shared/evaluation/sums.ts";
import { digestOfValue } from "../../shared/identity.ts";
import { Problem, type ProblemCode, PROBLEMS } from "../../shared/problem.ts";
import { findAnswer, keepAnswer, type MixtureAnswer } from "../catalog/soup-evaluations.ts";
import { findShards } from "../catalog/shards.ts";
import type { SoupRecord, StoredSoupQuestion } from "../catalog/soups.ts";
import type { Environment } from "../environment.ts";
import { type Endpoint, findEndpoint } from "../probing/endpoints.ts";
import { type Evaluation, evaluateOne } from "../probing/evaluate-models.ts";
import { prepareEvaluation } from "../probing/evaluation.ts";

/** Someone who is at work on a soup. */
export interface Cook {
  readonly soup: Pick<SoupRecord, "id" | "attempt" | "question">;
  now(): Date;
  /** Called before every unit of work. What it throws ends the work. */
  beat(): Promise<void>;
}

/** Evaluates mixtures of a soup's candidates; what was evaluated before, by whichever attempt, is not evaluated again. */
export function journaledEvaluator(environment: Environment, cook: Cook): EvaluateMixture {
  return async (shares) => measureIn(await answerOnce(environment, cook, shares));
}

/** The same as plain JSON, for the steps of a Workflow. @throws Problem what is not about the mixture */
export async function answerOnce(
  environment: Environment,
  { soup, now, beat }: Cook,
  shares: readonly SoupShare[],
): Promise<MixtureAnswer> {
  const { CATALOG } = environment;
  const mixture = digestOfValue(shares);
  const known = await findAnswer(CATALOG, soup.id, mixture);
  if (known !== undefined) return known;
  const answer = await evaluate(environment, await evaluationOf(environment, soup.question, shares), beat);
  await keepAnswer(CATALOG, { soup, mixture, answer }, now().toISOString());
  return answer;
}

/** @throws Problem where the mixture cannot be evaluated */
export function measureIn(answer: MixtureAnswer): SoupMeasure {
  if (answer.kind === "measured") return answer.measure;
  throw new Problem(answer.code in PROBLEMS ? (answer.code as ProblemCode) : "internal", answer.detail);
}

async function evaluate(
  environment: Environment,
  evaluation: Evaluation,
  beat: () => Promise<void>,
): Promise<MixtureAnswer> {
  try {
    const prepared = await prepareEvaluation(environment, evaluation);
    return { kind: "measured", measure: meansOf(await evaluateOne(environment, prepared, beat)) };
  } catch (error) {
    if (error instanceof Problem && error.status === 422) {
      return { kind: "unfit", code: error.code, detail: error.message };
    }
    throw error;
  }
}

/** A mixture is one point in the space that its members span. */
export async function evaluationOf(
  { CATALOG }: Pick<Environment, "CATALOG">,
  { shards, statistics, calibration, as }: StoredSoupQuestion,
  shares: readonly SoupShare[],
): Promise<Evaluation> {
  const endpoints: Endpoint[] = [];
  for (const { candidate } of shares) endpoints.push(await findEndpoint(CATALOG, candidate));
  const [samples] = calibration === undefined ? [] : await findShards(CATALOG, [calibration]);
  return {
    endpoints,
    grid: {
      kind: "mean",
      endpoints: endpoints.length,
      points: [shares.map(({ weight }) => weight)],
      // Of a mixture, its members by themselves are not asked for.
      members: endpoints.length === 1 ? [0] : [],
      mean: 0,
      pairs: [],
    },
    shards: await findShards(CATALOG, shards),
    statistics,
    ...(samples === undefined ? {} : { calibration: samples }),
    ...(as === undefined ? {} : { form: as }),
  };
}
