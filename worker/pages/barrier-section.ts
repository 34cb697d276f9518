import type { GateDescription, GateLimits } from "../../shared/api/gates.ts";
import type { ModelDescription } from "../../shared/api/models.ts";
import { mainPictureOf, pictureOfProbe } from "../../shared/api/probe-pictures.ts";
import { inlineSvg } from "../../shared/evaluation/pictures/index.ts";
import { html, Html } from "../docs/html.ts";
import { nameOfInput } from "./input-names.ts";
import { cardTable } from "./table.ts";
import { countWords, numberWords, percentWords, pointWords } from "./words.ts";

/** What lies between a model's inputs, and what its gate made of it. */
export function barrierSection({ probe, gate, manifest }: ModelDescription): Html | undefined {
  if (probe === null && gate === null) return undefined;
  const picture =
    probe === null ? undefined : pictureOfProbe(probe, mainPictureOf(probe), { nameOf: nameOfInput(manifest) });
  return html`<section>
    <h2 id="barrier">Barrier</h2>
    ${gate === null ? undefined : verdict(gate)}
    ${
      picture === undefined
        ? undefined
        : // The picture is ours, and has escaped what it was told.
          html`<figure>${new Html(inlineSvg(picture, "barrier-picture"))}</figure>`
    }
    ${probe === null || probe.statistics === "interpolated" ? undefined : html`<p>Statistics of batch normalisation were recomputed at every point.</p>`}
  </section>`;
}

const VERDICTS = {
  pending: "The gate is being measured; until it has passed, the model is private.",
  passed: "The model passed its gate.",
  refused: "The gate refused this model, so it is not published.",
} as const satisfies Record<GateDescription["state"], string>;

function verdict({ state, limits, measured, reasons, dataset, version }: GateDescription): Html {
  const samples = measured === null ? "" : `, ${countWords(measured.samples)} samples`;
  return html`<div class="verdict ${state}">
    <p>${VERDICTS[state]}</p>
    ${
      reasons.length === 0
        ? undefined
        : html`<ul>
            ${reasons.map((reason) => html`<li>${reason}</li>`)}
          </ul>`
    }
    ${cardTable(
      [
        { name: "Measure" },
        { name: "Measured", isNumber: true },
        { name: "At most", isNumber: true },
        { name: "Holds" },
      ],
      MEASURES.flatMap(({ name, limit, words }) => {
        const max = limits[limit]?.max;
        const value = measured?.[limit] ?? null;
        if (max === undefined) return [];
        return [[name, words(value), words(max), value === null ? "–" : value <= max ? "yes" : "no"]];
      }),
    )}
    ${measured === null ? undefined : parents(measured)}
    <p class="soft">On version ${version} of the dataset <code>${dataset}</code>${samples}.</p>
  </div>`;
}

interface GateMeasure {
  readonly name: string;
  readonly limit: keyof GateLimits;
  words(value: number | null): string;
}

const MEASURES: readonly GateMeasure[] = [
  { name: "Accuracy barrier", limit: "accuracyBarrier", words: pointWords },
  { name: "Loss barrier", limit: "lossBarrier", words: numberWords },
  { name: "Accuracy lost to the best parent", limit: "accuracyDrop", words: pointWords },
];

function parents({ model, parents: all }: NonNullable<GateDescription["measured"]>): Html {
  const list = all.map(({ accuracy, loss }) => (accuracy === null ? numberWords(loss) : percentWords(accuracy)));
  const own = model.accuracy === null ? numberWords(model.loss) : percentWords(model.accuracy);
  const measure = model.accuracy === null ? "Loss" : "Accuracy";
  return html`<p>${measure} of the model ${own}; of its parents ${list.join(", ")}.</p>`;
}
