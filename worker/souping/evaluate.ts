import type { EvaluateMixture, SoupMeasure, SoupShare } from "../../shared/fusion/soup/index.ts";
import { meansOf } from "../../shared/evaluation/sums.ts";
import { digestOfValue, type SoupId } from "../../shared/identity.ts";
import { Problem, type ProblemCode, PROBLEMS } from "../../shared/problem.ts";
import { findAnswer, keepAnswer, type MixtureAnswer } from "../catalog/soup-evaluations.ts";
import { findShards } from "../catalog/shards.ts";
import type { StoredSoupQuestion } from "../catalog/soups.ts";
import type { Environment } from "../environment.ts";
import { type Endpoint, findEndpoint } from "../probing/endpoints.ts";
import { type Evaluation, evaluateModels } from "../probing/evaluate-models.ts";

/** Evaluates mixtures of a soup's candidates; what was evaluated before, by whichever attempt, is not evaluated again. */
export function journaledEvaluator(
  environment: Environment,
  { id: soup, question }: { readonly id: SoupId; readonly question: StoredSoupQuestion },
  now: () => Date,
): EvaluateMixture {
  return async (shares) => measureIn(await answerOnce(environment, { soup, question, shares }, now));
}

/** The same as plain JSON, for the steps of a Workflow. @throws Problem what is not about the mixture */
export async function answerOnce(
  environment: Environment,
  { soup, question, shares }: { soup: SoupId; question: StoredSoupQuestion; shares: readonly SoupShare[] },
  now: () => Date,
): Promise<MixtureAnswer> {
  const { CATALOG } = environment;
  const mixture = digestOfValue(shares);
  const known = await findAnswer(CATALOG, soup, mixture);
  if (known !== undefined) return known;
  const answer = await evaluate(environment, question, shares);
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
  question: StoredSoupQuestion,
  shares: readonly SoupShare[],
): Promise<MixtureAnswer> {
  try {
    const [sums] = await evaluateModels(environment, await evaluationOf(environment, question, shares));
    if (sums === undefined) throw new Error("a grid of one point has one sum");
    return { kind: "measured", measure: meansOf(sums) };
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
