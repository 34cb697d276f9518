import type { SoupDecision } from "../../api/soup-trace.ts";
import { Problem } from "../../problem.ts";
import { canonicalJson } from "../../recipe/canonical-json.ts";
import { greedySoup, type SoupSoFar } from "./greedy.ts";
import { learnedSoup } from "./learned.ts";
import { type RankedCandidate, type Ranking, rankCandidates } from "./ranking.ts";
import { equalShares, type EvaluateMixture, type SoupCandidate, type SoupKind, type SoupOutcome } from "./soup.ts";
import { decisionOn, inWords, tryMixture } from "./trials.ts";

/**
 * Chooses what goes into a soup. The order of the candidates counts for nothing, and nothing is drawn at random: the same
 * candidates and the same answers of `evaluate` give the same soup, also where a search is begun again after a kill.
 * @throws Problem `no-soup` where no candidate can be evaluated, or the mean of a uniform soup cannot; what `evaluate`
 *   throws that is not about a mixture
 */
export async function searchSoup(
  kind: SoupKind,
  candidates: readonly SoupCandidate[],
  evaluate: EvaluateMixture,
): Promise<SoupOutcome> {
  const evaluateOnce = remembering(evaluate);
  const { ranked, leftOut } = await rankCandidates(candidates, evaluateOnce);
  const { shares, measure, trace } = await cook(kind, { ranked, leftOut }, evaluateOnce);
  return { kind, shares, measure, trace: [...leftOut, ...trace] };
}

/** A search comes by the same mixture more than once; it is evaluated once. */
function remembering(evaluate: EvaluateMixture): EvaluateMixture {
  const known = new Map<string, ReturnType<EvaluateMixture>>();
  return (shares) => {
    const key = canonicalJson(shares);
    const measure = known.get(key) ?? evaluate(shares);
    known.set(key, measure);
    return measure;
  };
}

async function cook(kind: SoupKind, { ranked, leftOut }: Ranking, evaluate: EvaluateMixture): Promise<SoupSoFar> {
  switch (kind) {
    case "uniform":
      return uniformSoup(ranked, leftOut, evaluate);
    case "greedy":
      return greedySoup(ranked, evaluate);
    case "learned":
      return learnedSoup(ranked, await greedySoup(ranked, evaluate), evaluate);
    default:
      return kind satisfies never;
  }
}

/** The plain mean of everything that can be evaluated, good or not. */
async function uniformSoup(
  ranked: readonly RankedCandidate[],
  leftOut: readonly SoupDecision[],
  evaluate: EvaluateMixture,
): Promise<SoupSoFar> {
  const shares = equalShares(ranked.map(({ id }) => id));
  const trial = await tryMixture(evaluate, shares);
  if (trial.kind === "unfit") {
    throw new Problem("no-soup", `The mean of the candidates cannot be evaluated: ${trial.why}`, { trace: leftOut });
  }
  const { measure } = trial;
  const trace = ranked.map(({ id, alone }) =>
    decisionOn({ candidate: id, alone }, shares, trial, {
      decision: "accepted",
      why: `A uniform soup takes what can be evaluated; by itself: ${inWords(alone)}.`,
    }),
  );
  return { shares, measure, trace };
}
