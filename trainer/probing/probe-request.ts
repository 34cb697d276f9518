import * as z from "zod";
import { type CreateProbeRequest, createProbeRequest, type ProbeQuestion } from "../../shared/api/probes.ts";
import { Failure } from "../failure.ts";

/** What a line says about a probe, beside the models and the data. */
export interface ProbeOptions {
  /** Undefined: the path of two models, the mean of more. */
  readonly kind: ProbeQuestion["kind"] | undefined;
  readonly points: number | undefined;
  readonly alphas: readonly number[] | undefined;
  readonly pairwise: boolean;
  readonly "pair-points": number | undefined;
  readonly resolution: number | undefined;
  readonly margin: number | undefined;
}

/** On what models are evaluated, and how; in the words of a request. */
export type EvaluationFacts = Pick<
  CreateProbeRequest,
  "dataset" | "version" | "shards" | "statistics" | "calibration" | "as" | "batch"
>;

/** Which options belong to which kind. */
const OPTIONS_OF = {
  path: ["points", "alphas"],
  mean: ["pairwise", "pair-points"],
  plane: ["resolution", "margin"],
} as const satisfies Record<ProbeQuestion["kind"], readonly (keyof ProbeOptions)[]>;

/**
 * Checks options against the kind of probe and the number of models.
 * @throws Failure `usage`
 */
export function kindOfProbe(options: ProbeOptions, models: number): ProbeQuestion["kind"] {
  const kind = options.kind ?? (models === 2 ? "path" : "mean");
  const most = { path: 2, mean: 16, plane: 3 }[kind];
  const least = kind === "mean" ? 2 : most;
  if (models < least || models > most) {
    const wanted = least === most ? `${least} models` : `${least} to ${most} models`;
    throw usage(`A ${kind} takes ${wanted}; ${models} are given.`);
  }
  for (const [owner, names] of Object.entries(OPTIONS_OF)) {
    if (owner === kind) continue;
    const stray = names.find((name) => options[name] !== undefined && options[name] !== false);
    if (stray !== undefined) throw usage(`--${stray} goes with --kind ${owner}, and this is a ${kind}.`);
  }
  if (options.alphas !== undefined && options.points !== undefined) throw usage("Give --points or --alphas.");
  if (options["pair-points"] !== undefined && !options.pairwise) throw usage("--pair-points goes with --pairwise.");
  return kind;
}

/**
 * The question that a line asks.
 * @param models their ids
 * @throws Failure `usage`
 */
export function probeRequest(options: ProbeOptions, models: readonly string[], facts: EvaluationFacts): ProbeQuestion {
  const { points, alphas, pairwise, resolution, margin } = options;
  const kind = kindOfProbe(options, models.length);
  const [a, b] = models;
  const own = {
    path: { a, b, points, alphas },
    mean: { models, pairwise, pairPoints: options["pair-points"] },
    plane: { models, resolution, margin },
  }[kind];
  const given = Object.entries({ kind, ...own, ...facts }).filter(([, value]) => value !== undefined);
  const parsed = createProbeRequest.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  throw usage(z.prettifyError(parsed.error).replaceAll(/\s*\n\s*/g, " "));
}

const usage = (message: string) => new Failure("usage", `${message} See edgefuse probe --help.`);
