import type { SoupDecision } from "../../api/soup-trace.ts";
import { Problem } from "../../problem.ts";
import { compareMeasures, equalShares, type EvaluateMixture, type SoupCandidate, type SoupMeasure } from "./soup.ts";
import { decisionOn, inWords, tryMixture } from "./trials.ts";

/** A candidate that can be evaluated, and how good it is by itself. */
export interface RankedCandidate extends SoupCandidate {
  readonly alone: SoupMeasure;
}

export interface Ranking {
  /** Best first: accuracy, then loss, then id. Never empty. All of one form. */
  readonly ranked: readonly RankedCandidate[];
  /** Those that are left out before anything is mixed, with the reason. */
  readonly leftOut: readonly SoupDecision[];
}

/**
 * Evaluates every candidate by itself and puts them in order. What cannot be evaluated is left out, and so is what
 * cannot be averaged with the others: of several forms, the one that most candidates have counts, and of equally many
 * that of the best candidate.
 * @throws Problem `no-soup` where nothing is left
 */
export async function rankCandidates(
  candidates: readonly SoupCandidate[],
  evaluate: EvaluateMixture,
): Promise<Ranking> {
  const fit: RankedCandidate[] = [];
  const leftOut: SoupDecision[] = [];
  for (const candidate of candidates.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    const shares = equalShares([candidate.id]);
    const trial = await tryMixture(evaluate, shares);
    if (trial.kind === "measured") {
      fit.push({ ...candidate, alone: trial.measure });
    } else {
      const why = `It cannot be evaluated: ${trial.why}`;
      leftOut.push(decisionOn({ candidate: candidate.id, alone: null }, shares, trial, { decision: "rejected", why }));
    }
  }
  // Sorting is stable, so what is equally good stays in the order of ids.
  const ordered = fit.toSorted((a, b) => compareMeasures(a.alone, b.alone));
  const form = commonForm(ordered);
  if (form === undefined) {
    const [first] = leftOut;
    throw new Problem("no-soup", `None of the candidates can be evaluated. ${first?.why ?? ""}`.trim(), {
      trace: leftOut,
    });
  }
  const ranked = ordered.filter((candidate) => candidate.form === form);
  const others = ordered
    .filter((candidate) => candidate.form !== form)
    .map(({ id, alone }) =>
      decisionOn(
        { candidate: id, alone },
        equalShares([id]),
        { kind: "measured", measure: alone },
        {
          decision: "rejected",
          why: `Its tensors differ in name, dtype or shape from those of most candidates (${inWords(alone)} by itself).`,
        },
      ),
    );
  return { ranked, leftOut: [...leftOut, ...others] };
}

function commonForm(ordered: readonly RankedCandidate[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { form } of ordered) counts.set(form, (counts.get(form) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  return ordered.find(({ form }) => counts.get(form) === most)?.form;
}
