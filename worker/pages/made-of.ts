import type { ModelManifest } from "../../shared/api/manifest.ts";
import type { ModelDescription } from "../../shared/api/models.ts";
import type { Recipe } from "../../shared/recipe/recipe.ts";
import { html, type Html } from "../docs/html.ts";
import { cardTable, factList } from "./table.ts";
import { byteWords, countWords, numberWords, shortId } from "./words.ts";

/** The checkpoints that a model was made of, how, and whether they fit together. */
export function madeOf({ recipe, manifest }: ModelDescription): Html {
  return html`<section>
    <h2 id="made-of">Made of</h2>
    ${manifest === null ? inputsOfRecipe(recipe) : inputsOfManifest(manifest)} ${recipeFacts(recipe)}
    ${manifest === null ? undefined : findings(manifest)}
  </section>`;
}

function inputsOfManifest({ inputs }: ModelManifest): Html {
  return cardTable(
    [
      { name: "Checkpoint" },
      { name: "Role" },
      { name: "Weight", isNumber: true },
      { name: "Share", isNumber: true },
      { name: "Size", isNumber: true },
    ],
    inputs.map(({ checkpoint, name, role, weight, coefficient, bytes }) => [
      html`${name ?? "unnamed"} ${shortId(checkpoint)}`,
      role,
      numberWords(weight),
      coefficient === null ? "by tensor" : numberWords(coefficient),
      byteWords(bytes),
    ]),
  );
}

/** Before the model is stored its inputs' names and shares are not told. */
function inputsOfRecipe({ inputs, base }: Recipe): Html {
  const rows = inputs.map(({ checkpoint, weight }) => [
    shortId(checkpoint),
    "input",
    typeof weight === "number" ? numberWords(weight) : "by tensor",
  ]);
  return cardTable(
    [{ name: "Checkpoint" }, { name: "Role" }, { name: "Weight", isNumber: true }],
    [...rows, ...(base === undefined ? [] : [[shortId(base), "base", "–"]])],
  );
}

function recipeFacts({ method, parameters, dtype, requireAlignment }: Recipe): Html {
  const set = Object.entries(parameters);
  return factList([
    ["Method", html`<code>${method}</code>`],
    [
      "Parameters",
      set.length === 0
        ? undefined
        : html`${set.map(
            ([name, value], index) => html`${index === 0 ? "" : ", "}<code>${name}: ${JSON.stringify(value)}</code>`,
          )}`,
    ],
    ["Written as", dtype === "input" ? "the inputs' dtypes" : html`<code>${dtype}</code>`],
    ["Alignment", requireAlignment ? "required" : undefined],
  ]);
}

function findings({ alignment, nonFinite, overflows, elements }: ModelManifest): Html {
  const { declared, verified, frozenElements, mismatches, first } = alignment;
  const lost = nonFinite.reduce((sum, { count }) => sum + count, 0) + overflows;
  const aligned = !declared
    ? html`<p>The inputs declare no common alignment.</p>`
    : verified
      ? html`<p class="good">
          Aligned: the inputs declare one start and one mask, and all ${countWords(frozenElements)} frozen entries of
          ${countWords(elements)} were found bit-equal in every input.
        </p>`
      : html`<p class="poor">
          Not aligned as declared: ${countWords(mismatches)} of ${countWords(frozenElements)} frozen entries
          differ${first === null ? "" : html`, the first in <code>${first.tensor}</code> at ${countWords(first.index)}`}.
        </p>`;
  const finite =
    lost === 0
      ? undefined
      : html`<p class="fair">${countWords(lost)} entries of the inputs or the model are not finite.</p>`;
  return html`${aligned}${finite}`;
}
