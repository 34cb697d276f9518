import { escapeXml, svgNumber as number } from "../chart-style.ts";
import { RAMP_STEPS } from "./palette.ts";
import type { Picture } from "./picture.ts";
import { cornersOf, distance, halfCell, layoutPlane, type Place } from "./plane-layout.ts";
import { rampBetween, rampKey } from "./ramp.ts";
import { count, type Measure, MEASURE_NAMES, shorten, threeDigits, valueInWords } from "./words.ts";

/** A measure on the plane a + u (b - a) + v (c - a) through three models. */
export interface PlaneFigure {
  readonly title: string;
  readonly measure: Measure;
  readonly samples: number;
  /** a, b and c: their names, what was measured of them, and where they lie in orthonormal axes of the plane. */
  readonly models: readonly { readonly name: string; readonly value: number; readonly x: number; readonly y: number }[];
  /** Ascending, evenly spaced. */
  readonly u: readonly number[];
  readonly v: readonly number[];
  /** By v, then u. */
  readonly values: readonly (readonly number[])[];
}

type Model = PlaneFigure["models"][number];

const ROW = 24;

/**
 * A heat map in the plane's own distances, where these can be read: a cell round every point of the grid, pale where
 * models are good and strong where they are bad, and the three models in it.
 *
 * The grid is even in u and v, so its cells are parallelograms, as b - a and c - a stand to each other.
 * @throws RangeError where there are not three models
 */
export function planePicture(figure: PlaneFigure): Picture {
  const { title, measure, samples, models, values } = figure;
  const [a, b, c] = models;
  if (a === undefined || b === undefined || c === undefined) throw new RangeError("a plane takes three models");
  const known = values.flat().filter(Number.isFinite);
  const [lowest, highest] =
    known.length === 0
      ? [Number.NaN, Number.NaN]
      : [known.reduce((x, y) => Math.min(x, y)), known.reduce((x, y) => Math.max(x, y))];
  // Good is pale: much accuracy, little loss.
  const ramp = measure === "accuracy" ? rampBetween(highest, lowest) : rampBetween(lowest, highest);
  const { place, bottom, isToScale } = layoutPlane(figure, [
    [a.x, a.y],
    [b.x, b.y],
    [c.x, c.y],
  ]);
  const worst = measure === "accuracy" ? lowest : highest;
  const best = measure === "accuracy" ? highest : lowest;
  const lost = values.flat().length - known.length;
  const names = [a, b, c].map(({ name, value }, index) => ({
    sign: "ABC".charAt(index),
    text: `${shorten(name, 40)}: ${valueInWords(measure, value)}`,
  }));
  const keyTop = bottom + 20;
  const listTop = keyTop + 60;
  const notes = [
    ...(isToScale ? [] : [`not to scale: ${distances([a, b, c])}`]),
    ...(lost === 0 ? [] : [`${lost} of ${values.flat().length} points are not finite`]),
  ];
  return {
    title,
    description: [
      `${MEASURE_NAMES[measure]} on the plane through three models, on ${count(samples)} samples`,
      ...names.map(({ sign, text }) => `${sign} ${text}`),
      `best of the grid ${valueInWords(measure, best)}, worst ${valueInWords(measure, worst)}`,
      ...notes,
    ].join("; "),
    height: listTop + ROW * (3 + notes.length),
    shapes: [
      `<text class="heading" x="16" y="30">${escapeXml(shorten(title, 46))}</text>`,
      `<text class="faint" x="16" y="52">${escapeXml(`${MEASURE_NAMES[measure]} on ${count(samples)} samples`)}</text>`,
      ...cells(figure, ramp.stepOf, place),
      `<path class="frame" d="M${cornersOf(figure)
        .map(([u, v]) => text(place(u, v)))
        .join("L")}Z"/>`,
      ...[
        [0, 0],
        [1, 0],
        [0, 1],
      ].map(([u = 0, v = 0], index) => marker(place(u, v), "ABC".charAt(index))),
      rampKey(ramp, (value) => valueInWords(measure, value), { x: 16, y: keyTop, width: 252 }),
      ...names.map(
        ({ sign, text: words }, index) =>
          `<text class="faint" x="16" y="${listTop + ROW * index}">${sign}</text>` +
          `<text x="40" y="${listTop + ROW * index}">${escapeXml(words)}</text>`,
      ),
      ...notes.map((note, index) => `<text x="16" y="${listTop + ROW * (3 + index)}">${escapeXml(note)}</text>`),
    ],
  };
}

/** The cells of each step as one path, neighbours in a row as one shape: a grid of 41 by 41 stays small so. */
function cells(
  figure: PlaneFigure,
  stepOf: (value: number) => number,
  place: (u: number, v: number) => Place,
): string[] {
  const { du, dv } = halfCell(figure);
  const paths = Array.from({ length: RAMP_STEPS }, () => "");
  figure.values.forEach((row, j) => {
    const v = figure.v[j] ?? 0;
    const steps = row.map(stepOf);
    for (let begin = 0, end = 1; begin < steps.length; begin = end, end++) {
      const step = steps[begin] ?? 0;
      while (end < steps.length && steps[end] === step) end++;
      const [left, right] = [(figure.u[begin] ?? 0) - du, (figure.u[end - 1] ?? 0) + du];
      const outline = [place(left, v - dv), place(right, v - dv), place(right, v + dv), place(left, v + dv)];
      paths[step] += `M${outline.map(text).join("L")}Z`;
    }
  });
  return paths.flatMap((path, step) => (path === "" ? [] : [`<path class="step h${step}" d="${path}"/>`]));
}

/** How far the models are from each other, which a picture that is not to scale does not show. */
function distances([a, b, c]: readonly [Model, Model, Model]): string {
  const between = (first: Model, second: Model) => threeDigits(distance([first.x, first.y], [second.x, second.y]));
  return `A to B ${between(a, b)}, A to C ${between(a, c)}, B to C ${between(b, c)}`;
}

function marker(place: Place, letter: string): string {
  const [x, y] = place;
  return (
    `<circle class="marker" cx="${number(x)}" cy="${number(y)}" r="12"/>` +
    `<text x="${number(x)}" y="${number(y + 5)}" text-anchor="middle">${letter}</text>`
  );
}

const text = ([x, y]: Place) => `${number(x)} ${number(y)}`;
