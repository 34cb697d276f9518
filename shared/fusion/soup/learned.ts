import type { SoupDecision } from "../../api/soup-trace.ts";
import type { CheckpointId } from "../../identity.ts";
import type { SoupSoFar } from "./greedy.ts";
import type { RankedCandidate } from "./ranking.ts";
import { compareMeasures, type EvaluateMixture, type SoupMeasure, type SoupShare, sortedShares } from "./soup.ts";
import { decisionOn, inWords, type Trial, tryMixture } from "./trials.ts";

/** Evaluations of the search, a candidate, beyond those of the greedy soup. */
const TRIALS_PER_CANDIDATE = 4;
const LEAST_TRIALS = 16;
const MOST_TRIALS = 64;

const FIRST_STEP = 1 / 2;
const LAST_STEP = 1 / 32;

/** How many mixtures the search evaluates at most, after the greedy soup of so many candidates. */
export function learnedBudget(candidates: number): number {
  return Math.min(MOST_TRIALS, Math.max(LEAST_TRIALS, TRIALS_PER_CANDIDATE * candidates));
}

/**
 * Mixing weights by a small search on the simplex, from the greedy soup on. Candidates are gone through best first. For
 * each, two moves are tried: a share `step` of the whole goes to it (w becomes (1 - step) w + step e), and a share `step`
 * is taken from it and spread over the others in proportion. A move is kept where it is more accurate, or equally
 * accurate with less loss; of regressions, less loss. After a round without a kept move the step is halved, from 1/2 to
 * 1/32. The budget of {@link learnedBudget} evaluations is the end in any case. Nothing is drawn at random.
 *
 * The soup is never less accurate than the greedy one. Learned soups of the paper take gradients of the held-out loss by
 * all mixing weights at once, with all models in memory; here two are mixed and measured at a time.
 * @see Wortsman et al., "Model soups", section "Learned soup" (arXiv:2203.05482)
 */
export async function learnedSoup(
  ranked: readonly RankedCandidate[],
  greedy: SoupSoFar,
  evaluate: EvaluateMixture,
): Promise<SoupSoFar> {
  let { shares, measure } = greedy;
  const trace = [...greedy.trace];
  const tried = new Set([keyOf(shares)]);
  let left = learnedBudget(ranked.length);
  for (let step = FIRST_STEP; step >= LAST_STEP && left > 0;) {
    let hasMoved = false;
    for (const { id, alone } of ranked) {
      for (const move of [towards, awayFrom]) {
        const moved = move(shares, id, step);
        if (moved === undefined || tried.has(keyOf(moved)) || left === 0) continue;
        tried.add(keyOf(moved));
        left--;
        const trial = await tryMixture(evaluate, moved);
        const verdict = judge(trial, measure, moved, id);
        trace.push(decisionOn({ candidate: id, alone }, moved, trial, verdict));
        if (verdict.decision === "accepted" && trial.kind === "measured") {
          shares = moved;
          measure = trial.measure;
          hasMoved = true;
        }
      }
    }
    if (!hasMoved) step /= 2;
  }
  return { shares, measure, trace };
}

function towards(shares: readonly SoupShare[], id: CheckpointId, step: number): readonly SoupShare[] {
  const others = shares.map((share) => ({ ...share, weight: share.weight * (1 - step) }));
  const own = others.find(({ candidate }) => candidate === id);
  if (own === undefined) return sortedShares([...others, { candidate: id, weight: step }]);
  return others.map((share) => (share === own ? { ...share, weight: share.weight + step } : share));
}

/** @returns undefined where there is nothing to take, or nobody to give it to */
function awayFrom(shares: readonly SoupShare[], id: CheckpointId, step: number): readonly SoupShare[] | undefined {
  const own = shares.find(({ candidate }) => candidate === id);
  if (own === undefined || shares.length === 1) return undefined;
  const rest = Math.max(0, own.weight - step);
  const factor = (1 - rest) / (1 - own.weight);
  return shares
    .map((share) => ({ ...share, weight: share === own ? rest : share.weight * factor }))
    .filter(({ weight }) => weight > 0);
}

function judge(
  trial: Trial,
  current: SoupMeasure,
  moved: readonly SoupShare[],
  id: CheckpointId,
): Pick<SoupDecision, "decision" | "why"> {
  const weight = moved.find(({ candidate }) => candidate === id)?.weight ?? 0;
  const at = `With a share of ${Number(weight.toPrecision(4))}`;
  if (trial.kind === "unfit") return { decision: "rejected", why: `${at} the mean cannot be evaluated: ${trial.why}` };
  const words = inWords(trial.measure);
  return compareMeasures(trial.measure, current) < 0
    ? { decision: "accepted", why: `${at} it is better: ${words}, before ${inWords(current)}.` }
    : { decision: "rejected", why: `${at} it is no better: ${words}, before ${inWords(current)}.` };
}

function keyOf(shares: readonly SoupShare[]): string {
  return shares.map(({ candidate, weight }) => `${candidate}=${weight}`).join();
}
