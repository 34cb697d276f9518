import type { SoupDecision } from "../../api/soup-trace.ts";
import type { RankedCandidate } from "./ranking.ts";
import { equalShares, type EvaluateMixture, isStrictlyBetter, type SoupMeasure, type SoupShare } from "./soup.ts";
import { decisionOn, inWords, type Trial, tryMixture } from "./trials.ts";

/** A soup as far as it is. */
export interface SoupSoFar {
  readonly shares: readonly SoupShare[];
  readonly measure: SoupMeasure;
  readonly trace: readonly SoupDecision[];
}

/**
 * Greedy soup: candidates are tried best first, and each goes in where the mean with it is strictly better than without.
 * So the soup is at least as good as its best ingredient.
 * @param ranked from `rankCandidates`
 * @see Wortsman et al., "Model soups", Recipe 1 (arXiv:2203.05482); there also an equally good mean is accepted
 */
export async function greedySoup(ranked: readonly RankedCandidate[], evaluate: EvaluateMixture): Promise<SoupSoFar> {
  const [best, ...others] = ranked;
  if (best === undefined) throw new RangeError("a soup has at least one candidate");
  let shares = equalShares([best.id]);
  let measure = best.alone;
  const first = { decision: "accepted", why: `The best by itself: ${inWords(measure)}.` } as const;
  const trace = [decisionOn({ candidate: best.id, alone: best.alone }, shares, { kind: "measured", measure }, first)];
  for (const { id, alone } of others) {
    const trialShares = equalShares([...shares.map(({ candidate }) => candidate), id]);
    const trial = await tryMixture(evaluate, trialShares);
    const verdict = judge(trial, measure);
    trace.push(decisionOn({ candidate: id, alone }, trialShares, trial, verdict));
    if (verdict.decision === "accepted" && trial.kind === "measured") {
      shares = trialShares;
      measure = trial.measure;
    }
  }
  return { shares, measure, trace };
}

function judge(trial: Trial, current: SoupMeasure): Pick<SoupDecision, "decision" | "why"> {
  if (trial.kind === "unfit") {
    return { decision: "rejected", why: `The mean with it cannot be evaluated: ${trial.why}` };
  }
  const words = inWords(trial.measure);
  return isStrictlyBetter(trial.measure, current)
    ? { decision: "accepted", why: `The mean with it is better: ${words}, before ${inWords(current)}.` }
    : { decision: "rejected", why: `The mean with it is no better: ${words}, without it ${inWords(current)}.` };
}
