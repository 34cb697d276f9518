import type { SoupSelection } from "../../shared/api/soup-trace.ts";
import { html, type Html } from "../docs/html.ts";
import { cardTable } from "./table.ts";
import { numberWords, percentWords, shortId } from "./words.ts";

const KINDS = {
  uniform: "A uniform soup: the mean of all candidates that could be evaluated.",
  greedy: "A greedy soup: candidates were tried from the best to the worst, and taken where the mean got better.",
  learned: "A learned soup: a greedy one, and then a search over the mixing weights.",
} as const satisfies Record<SoupSelection["kind"], string>;

/** How a soup's inputs were chosen, decision by decision. */
export function soupSection({ kind, trace, accuracy, loss }: SoupSelection, names: ReadonlyMap<string, string>): Html {
  return html`<section>
    <h2 id="soup">How its inputs were chosen</h2>
    <p>
      ${KINDS[kind]} On the held-out data it has
      ${accuracy === null ? "" : `an accuracy of ${percentWords(accuracy)} and `}a loss of ${numberWords(loss)}.
    </p>
    ${cardTable(
      [
        { name: "Candidate" },
        { name: "Decision" },
        { name: "Accuracy", isNumber: true },
        { name: "Loss", isNumber: true },
        { name: "Why" },
      ],
      trace.map((one) => [
        html`${names.get(one.candidate) ?? ""} ${shortId(one.candidate)}`,
        html`<span class="${one.decision === "accepted" ? "good" : "poor"}">${one.decision}</span>`,
        percentWords(one.accuracy),
        numberWords(one.loss),
        one.why,
      ]),
    )}
  </section>`;
}
