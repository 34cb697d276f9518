import { join } from "node:path";
import type { AgentKind, BACKENDS, SpecOf } from "../../shared/jobs/spec.ts";
import { wordsOfOptions } from "../../shared/jobs/train-options.ts";

export type JobBackend = (typeof BACKENDS)[number];

/** What the agent adds to a spec's own options, of which none names a place. */
export interface JobPlaces {
  /** Folder for all that the job writes. */
  readonly out: string;
  readonly backend: JobBackend;
  /** Folders of datasets that this agent has, by name; others are downloaded. */
  readonly data: ReadonlyMap<string, string>;
}

/** A train job's record of its losses, beside its checkpoints. */
export const METRICS_FILE = "metrics.jsonl";

/**
 * The command line of a job, after `edgefuse`. Each option is one word with its value (`--name=value`), so no value of a
 * spec can be taken for an option; one that a spec gives and the agent too is refused by the command line itself.
 */
export function jobWords(spec: SpecOf<AgentKind>, { out, backend, data }: JobPlaces): string[] {
  const folder = data.get(spec.options.dataset ?? "glyphs");
  const places = [`--out=${out}`, `--backend=${backend}`, ...(folder === undefined ? [] : [`--data-dir=${folder}`])];
  switch (spec.kind) {
    case "train":
      return [
        ...["train", "--json", ...places, `--metrics=${join(out, METRICS_FILE)}`],
        ...(spec.member === undefined ? [] : [`--member=${spec.member}`]),
        ...wordsOfOptions(spec.options),
      ];
    case "experiment":
      return ["experiment", spec.experiment, "--json", ...places, ...wordsOfOptions(spec.options)];
    default:
      return spec satisfies never;
  }
}

/** How many models the job trains, where that is known. */
export function membersOf(spec: SpecOf<AgentKind>): number | undefined {
  if (spec.kind === "experiment") return undefined;
  return spec.member === undefined ? (spec.options.models ?? 2) : 1;
}
