import type { SoupDecision } from "../../api/soup-trace.ts";
import type { CheckpointId } from "../../identity.ts";
import { Problem } from "../../problem.ts";
import type { EvaluateMixture, SoupMeasure, SoupShare } from "./soup.ts";

/** What became of a mixture that was tried. */
export type Trial =
  | { readonly kind: "measured"; readonly measure: SoupMeasure }
  | { readonly kind: "unfit"; readonly why: string };

/** Evaluates a mixture. One that cannot be evaluated is a result here, and no reason to end the search. */
export async function tryMixture(evaluate: EvaluateMixture, shares: readonly SoupShare[]): Promise<Trial> {
  try {
    const measure = await evaluate(shares);
    const isFinite = Number.isFinite(measure.loss) && Number.isFinite(measure.accuracy ?? 0);
    return isFinite
      ? { kind: "measured", measure }
      : { kind: "unfit", why: `its loss is ${measure.loss}: it is not to be measured` };
  } catch (error) {
    if (error instanceof Problem && error.status === 422 && error.code !== "too-large-for-isolate") {
      return { kind: "unfit", why: error.message };
    }
    throw error;
  }
}

/** A line of the trace. */
export function decisionOn(
  { candidate, alone }: { readonly candidate: CheckpointId; readonly alone: SoupMeasure | null },
  shares: readonly SoupShare[],
  trial: Trial,
  verdict: Pick<SoupDecision, "decision" | "why">,
): SoupDecision {
  const measure = trial.kind === "measured" ? trial.measure : undefined;
  return {
    candidate,
    members: shares.map((share) => share.candidate),
    weights: shares.map(({ weight }) => weight),
    accuracy: measure?.accuracy ?? null,
    loss: measure?.loss ?? null,
    alone: alone === null ? null : { accuracy: alone.accuracy, loss: alone.loss },
    ...verdict,
  };
}

/** A measure in words: `accuracy 0.9312, loss 0.2210`. */
export function inWords({ accuracy, loss }: SoupMeasure): string {
  return `${accuracy === null ? "" : `accuracy ${short(accuracy)}, `}loss ${short(loss)}`;
}

/** Digits enough to tell apart what is told apart. */
function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}
