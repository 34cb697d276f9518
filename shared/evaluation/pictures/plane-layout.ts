import type { PlaneFigure } from "./plane-picture.ts";

/** A point of the picture, or of the plane. */
export type Place = readonly [x: number, y: number];

type Three = readonly [Place, Place, Place];

/** Where points of the plane lie in the picture. */
export interface PlaneLayout {
  readonly place: (u: number, v: number) => Place;
  /** Of the area that is drawn. */
  readonly bottom: number;
  /** Whether distances and angles are those of the weights. */
  readonly isToScale: boolean;
}

const AREA = { left: 16, top: 68, width: 448, height: 330 };

/** Marks that stand closer than so hide each other. */
const LEAST_DISTANCE = 40;
/** A strip that is thinner shows nothing. */
const LEAST_EXTENT = 120;

/** What is drawn where the plane as it is would be a strip: a triangle of equal sides. */
const SCHEME: Three = [
  [0, 0],
  [1, 0],
  [0.5, Math.sqrt(3) / 2],
];

/** Half the distance of two points of the grid in u, and in v. */
export function halfCell({ u, v }: Pick<PlaneFigure, "u" | "v">): { readonly du: number; readonly dv: number } {
  const half = (list: readonly number[]) => ((list[1] ?? 1) - (list[0] ?? 0)) / 2;
  return { du: half(u), dv: half(v) };
}

/** Corners of everything that is drawn, in u and v, round the grid's outermost cells. */
export function cornersOf(figure: Pick<PlaneFigure, "u" | "v">): readonly Place[] {
  const { du, dv } = halfCell(figure);
  const [left, right] = [(figure.u[0] ?? 0) - du, (figure.u.at(-1) ?? 1) + du];
  const [low, high] = [(figure.v[0] ?? 0) - dv, (figure.v.at(-1) ?? 1) + dv];
  return [
    [left, low],
    [right, low],
    [right, high],
    [left, high],
  ];
}

/**
 * Fits the plane into its area, y growing upwards: true to its distances where that can be read, else as if the models
 * were equally far from each other.
 */
export function layoutPlane(figure: Pick<PlaneFigure, "u" | "v">, models: Three): PlaneLayout {
  const actual = fit(figure, models);
  if (actual !== undefined && isLegible(actual)) return { ...actual, isToScale: true };
  const scheme = fit(figure, SCHEME);
  if (scheme === undefined) throw new Error("a triangle of equal sides has an extent");
  return { ...scheme, isToScale: false };
}

interface Fitted {
  readonly place: (u: number, v: number) => Place;
  readonly bottom: number;
  readonly extent: number;
}

/** @returns undefined where the models lie on one line */
function fit(figure: Pick<PlaneFigure, "u" | "v">, [a, b, c]: Three): Fitted | undefined {
  const raw = (u: number, v: number): Place => [
    a[0] + u * (b[0] - a[0]) + v * (c[0] - a[0]),
    a[1] + u * (b[1] - a[1]) + v * (c[1] - a[1]),
  ];
  const bounds = cornersOf(figure).map(([u, v]) => raw(u, v));
  const [xs, ys] = [bounds.map(([x]) => x), bounds.map(([, y]) => y)];
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const [width, height] = [right - left, high - low];
  if (!(width > 0 && height > 0)) return undefined;
  const unit = Math.min(AREA.width / width, AREA.height / height);
  const indent = AREA.left + (AREA.width - unit * width) / 2;
  return {
    place: (u, v) => {
      const [x, y] = raw(u, v);
      return [indent + unit * (x - left), AREA.top + unit * (high - y)];
    },
    bottom: AREA.top + Math.ceil(unit * height),
    extent: unit * Math.min(width, height),
  };
}

function isLegible({ place, extent }: Fitted): boolean {
  const [a, b, c] = [place(0, 0), place(1, 0), place(0, 1)];
  const nearest = Math.min(distance(a, b), distance(a, c), distance(b, c));
  return nearest >= LEAST_DISTANCE && extent >= LEAST_EXTENT;
}

/** Of two points, in the unit of their coordinates. */
export function distance(first: Place, second: Place): number {
  return Math.hypot(first[0] - second[0], first[1] - second[1]);
}
