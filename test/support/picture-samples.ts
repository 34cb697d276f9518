import type { MatrixFigure, MeanFigure, PathFigure, PlaneFigure } from "../../shared/evaluation/pictures/index.ts";

/** Text that must not be taken for markup wherever it comes to stand. */
export const EVIL = `<script>alert("1")</script>&'\u0000`;

const alphas = Array.from({ length: 11 }, (_, index) => index / 10);

/** A path whose accuracy sags by `depth` in the middle. */
export function dipFigure(depth: number, more: Partial<PathFigure> = {}): PathFigure {
  return {
    title: "Between two models",
    measure: "accuracy",
    parents: ["a3f2c81b", "cifar10-cnn-seed-1-frozen-0.4-epoch-20.safetensors"],
    samples: 2000,
    points: alphas.map((alpha) => ({ alpha, value: 0.96 - 0.01 * alpha - 4 * depth * alpha * (1 - alpha) })),
    interval: { low: depth - 0.02, high: depth + 0.02 },
    ...more,
  };
}

/** A path whose loss rises by `height` in the middle. */
export function hillFigure(height: number, more: Partial<PathFigure> = {}): PathFigure {
  const points = alphas.map((alpha) => ({ alpha, value: 0.14 + 0.02 * alpha + 4 * height * alpha * (1 - alpha) }));
  return { ...dipFigure(0), measure: "loss", points, interval: null, ...more };
}

export function meanFigure(models: number, mean: number): MeanFigure {
  return {
    title: `The mean of ${models} models`,
    measure: "accuracy",
    samples: 2000,
    models: Array.from({ length: models }, (_, index) => ({
      name: `seed-${index}.safetensors`,
      value: 0.95 + 0.01 * Math.sin(index),
    })),
    mean,
    interval: { low: 0.03, high: 0.06 },
  };
}

export function matrixFigure(models: number): MatrixFigure {
  const names = Array.from({ length: models }, (_, index) => ({
    name: `cifar-cnn-member-${index}.safetensors`,
    value: 0.9 + 0.005 * index,
  }));
  return {
    title: `Barriers between ${models} models`,
    measure: "accuracy",
    samples: 10_000,
    models: names,
    pairs: names.flatMap((_, a) =>
      names.slice(a + 1).map((__, step) => ({ a, b: a + 1 + step, barrier: ((a * 7 + (a + 1 + step) * 3) % 11) / 25 })),
    ),
    mean: { value: 0.71, barrier: 0.21 },
  };
}

/** @param positions of the three models in the plane */
export function planeFigure(
  resolution: number,
  positions: readonly (readonly [number, number])[] = [
    [0, 0],
    [10, 0],
    [4.6, 9],
  ],
): PlaneFigure {
  const axis = Array.from({ length: resolution }, (_, index) => -0.25 + (1.5 * index) / (resolution - 1));
  const toNearest = (u: number, v: number) => Math.min(u ** 2 + v ** 2, (1 - u) ** 2 + v ** 2, u ** 2 + (1 - v) ** 2);
  return {
    title: "The plane through three models",
    measure: "accuracy",
    samples: 2000,
    models: positions.map(([x, y], index) => ({ name: `seed-${index}.safetensors`, value: 0.96, x, y })),
    u: axis,
    v: axis,
    values: axis.map((v) => axis.map((u) => 0.96 - 0.8 * Math.min(1, 3 * toNearest(u, v)))),
  };
}
