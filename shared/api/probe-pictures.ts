import {
  badge,
  matrixPicture,
  meanPicture,
  type Measure,
  pathPicture,
  type Picture,
  planePicture,
} from "../evaluation/pictures/index.ts";
import type { MeanProbe, MeasuredPoint, PathProbe, PlaneProbe, ProbeDescription } from "./probe-answers.ts";

/** Pictures of a probe: the barrier of a path or around a mean, the plane, the matrix of pairs. */
export const PROBE_PICTURES = ["barrier", "plane", "matrix"] as const;
export type ProbePicture = (typeof PROBE_PICTURES)[number];

export interface PictureOptions {
  /** What models are called; the beginnings of their ids where it is left out or does not know one. */
  readonly nameOf?: ((id: string) => string | undefined) | undefined;
  /** Losses instead of accuracies; a regression has no others. */
  readonly measure?: "accuracy" | "loss" | undefined;
}

/** @returns undefined where a probe of this kind has no such picture */
export function pictureOfProbe(
  probe: ProbeDescription,
  picture: ProbePicture,
  options: PictureOptions = {},
): Picture | undefined {
  switch (probe.kind) {
    case "path":
      return picture === "barrier" ? ofPath(probe, options) : undefined;
    case "mean":
      if (picture === "barrier") return ofMean(probe, options);
      return picture === "matrix" && probe.pairs !== undefined ? ofPairs(probe, probe.pairs, options) : undefined;
    case "plane":
      return picture === "plane" ? ofPlane(probe, options) : undefined;
    default:
      return probe satisfies never;
  }
}

/** The picture that shows most of a probe. */
export function mainPictureOf(probe: ProbeDescription): ProbePicture {
  return probe.kind === "plane" ? "plane" : "barrier";
}

/**
 * The barrier that a probe found, in accuracy where it has one.
 * @returns undefined for a plane, which has none
 */
export function barrierOfProbe(probe: ProbeDescription): { measure: Measure; barrier: number } | undefined {
  if (probe.kind === "plane") return undefined;
  const { accuracyBarrier, lossBarrier, task } = probe;
  if (accuracyBarrier !== null) return { measure: "accuracy", barrier: accuracyBarrier };
  return { measure: task === "regression" ? "squared-error" : "loss", barrier: lossBarrier };
}

/** A badge for a README. @returns undefined for a plane */
export function badgeOfProbe(probe: ProbeDescription, verdict?: "passed" | "refused"): string | undefined {
  const found = barrierOfProbe(probe);
  return found === undefined ? undefined : badge({ ...found, verdict });
}

function measureOf({ task }: ProbeDescription, { measure = "accuracy" }: PictureOptions): Measure {
  return task === "regression" ? "squared-error" : measure;
}

function valueOf({ loss, accuracy }: Pick<MeasuredPoint, "loss" | "accuracy">, measure: Measure): number {
  return measure === "accuracy" ? (accuracy ?? Number.NaN) : loss;
}

function nameOf(id: string, options: PictureOptions): string {
  return options.nameOf?.(id) ?? id.slice(0, 8);
}

function ofPath(probe: PathProbe, options: PictureOptions): Picture {
  const measure = measureOf(probe, options);
  const [a, b] = [nameOf(probe.a, options), nameOf(probe.b, options)];
  return pathPicture({
    title: "Between two models",
    measure,
    parents: [a, b],
    samples: probe.samples,
    points: probe.points.map((point) => ({ alpha: point.alpha, value: valueOf(point, measure) })),
    interval: probe.accuracyGap,
  });
}

function namedMembers(probe: MeanProbe | PlaneProbe, measure: Measure, options: PictureOptions) {
  return probe.models.map((id, index) => {
    const member = probe.members[index];
    return { name: nameOf(id, options), value: member === undefined ? Number.NaN : valueOf(member, measure) };
  });
}

function ofMean(probe: MeanProbe, options: PictureOptions): Picture {
  const measure = measureOf(probe, options);
  return meanPicture({
    title: `The mean of ${probe.models.length} models`,
    measure,
    samples: probe.samples,
    models: namedMembers(probe, measure, options),
    mean: valueOf(probe.mean, measure),
    interval: probe.accuracyGap,
  });
}

function ofPairs(probe: MeanProbe, pairs: NonNullable<MeanProbe["pairs"]>, options: PictureOptions): Picture {
  const measure = measureOf(probe, options);
  const barrierOf = (one: { lossBarrier: number; accuracyBarrier: number | null }) =>
    measure === "accuracy" ? (one.accuracyBarrier ?? Number.NaN) : one.lossBarrier;
  return matrixPicture({
    title: `Barriers between ${probe.models.length} models`,
    measure,
    samples: probe.samples,
    models: namedMembers(probe, measure, options),
    pairs: pairs.map((pair) => ({ a: pair.a, b: pair.b, barrier: barrierOf(pair) })),
    mean: { value: valueOf(probe.mean, measure), barrier: barrierOf(probe) },
  });
}

function ofPlane(probe: PlaneProbe, options: PictureOptions): Picture {
  const measure = measureOf(probe, options);
  return planePicture({
    title: "The plane through three models",
    measure,
    samples: probe.samples,
    models: namedMembers(probe, measure, options).map((model, index) => ({
      ...model,
      ...(probe.positions[index] ?? { x: 0, y: 0 }),
    })),
    u: probe.u,
    v: probe.v,
    values: (measure === "accuracy" ? probe.accuracy : probe.loss) ?? [],
  });
}
