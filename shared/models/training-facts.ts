import { canonicalScope } from "../alignment/mask-plan.ts";
import type { Alignment } from "../alignment/metadata.ts";
import { digestOfValue } from "../identity.ts";

/** Key of the training facts in a safetensors file's `__metadata__`. */
const TRAINING_KEY = "edgefuse.training";

/** What a catalog can find a checkpoint by, beside its architecture and its alignment. */
export interface TrainingFacts {
  /** Name of what it was trained on. */
  readonly dataset: string | null;
  /** Numbers that the trainer measured, such as `validationAccuracy`. */
  readonly metrics: Readonly<Record<string, number>>;
}

const NONE: TrainingFacts = { dataset: null, metrics: {} };
const LONGEST_NAME = 200;
const MOST_METRICS = 64;

/**
 * Reads what a file says of its training. Other tools write other things under this key, or nothing: what is not as
 * expected is passed over, since nothing but finding the file depends on it.
 */
export function readTrainingFacts(metadata: Readonly<Record<string, string>>): TrainingFacts {
  const text = metadata[TRAINING_KEY];
  if (text === undefined) return NONE;
  let training: unknown;
  try {
    training = JSON.parse(text);
  } catch {
    return NONE;
  }
  if (!isRecord(training)) return NONE;
  const { dataset, metrics } = training;
  const numbers = Object.entries(isRecord(metrics) ? metrics : {}).filter(
    (entry): entry is [string, number] => METRIC_NAME.test(entry[0]) && typeof entry[1] === "number",
  );
  return {
    dataset: typeof dataset === "string" && dataset !== "" ? dataset.slice(0, LONGEST_NAME) : null,
    metrics: Object.fromEntries(numbers.slice(0, MOST_METRICS)),
  };
}

/** Names that a metric may have, so that it can be asked for. */
export const METRIC_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** The name of a family: SHA-256 over the start and the mask that its members share. */
export function familyOf(alignment: Alignment): string {
  return digestOfValue({ ...alignment, scope: canonicalScope(alignment.scope) });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
