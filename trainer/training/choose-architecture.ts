import * as z from "zod";
import { labelsPerSample, type Shard } from "../../shared/evaluation/shard.ts";
import { type Architecture, architectureSchema } from "../../shared/models/architecture.ts";
import type { Dataset } from "../data/dataset.ts";
import { Failure } from "../failure.ts";

/** What `--model` takes. */
export const MODEL_NAMES = [
  "mlp",
  "cnn",
  "lenet",
  "vgg",
  "resnet",
  "vit",
  "transformer",
] as const satisfies readonly Architecture["architecture"][];
export type ModelName = (typeof MODEL_NAMES)[number];

/** One `--set key=value`. */
export type Setting = readonly [key: string, value: unknown];

/**
 * Parses `depth=20`, `norm=layer`, `channels=32,64` (a list), `hidden=[64]`: JSON where it is JSON, a list of numbers, else
 * text.
 * @throws Error saying what is expected
 */
export function parseSetting(text: string): Setting {
  const match = /^([A-Za-z]\w*)=(.+)$/s.exec(text);
  const [, key, value] = match ?? [];
  if (key === undefined || value === undefined) throw new Error("KEY=VALUE, such as depth=20 or norm=layer");
  if (/^\d+(,\d+)+$/.test(value)) return [key, value.split(",").map(Number)];
  try {
    return [key, JSON.parse(value)];
  } catch {
    return [key, value];
  }
}

/**
 * An architecture that fits a dataset: its input and classes are the dataset's, the rest is what is set, or a default
 * for small data.
 * @throws Failure `usage` for settings that the architecture does not have, or a dataset it does not fit
 */
export function chooseArchitecture(
  model: ModelName,
  settings: readonly Setting[],
  dataset: Dataset,
  hidden?: readonly number[],
): Architecture {
  const given: Record<string, unknown> = { ...modelDefaults(model, dataset) };
  if (hidden !== undefined) given["hidden"] = hidden;
  // One number stands for a list of one: `--set hidden=64`.
  const isList = (key: string) => key === "hidden" || key === "channels";
  for (const [key, value] of settings) given[key] = isList(key) && typeof value === "number" ? [value] : value;
  return parseArchitecture(given, `--model ${model}`);
}

/**
 * An architecture as JSON, such as a checkpoint's `edgefuse.model`; input and classes may be left out.
 * @throws Failure `usage`
 */
export function architectureFromJson(text: string, dataset: Dataset): Architecture {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Failure("usage", '--architecture is not JSON; it is such as {"architecture":"resnet","depth":20}.');
  }
  const name = typeof value === "object" && value !== null && "architecture" in value ? value.architecture : undefined;
  const model = MODEL_NAMES.find((candidate) => candidate === name);
  if (model === undefined || typeof value !== "object") {
    throw new Failure("usage", `--architecture needs "architecture": one of ${MODEL_NAMES.join(", ")}.`);
  }
  return parseArchitecture({ ...modelDefaults(model, dataset), ...value }, "--architecture");
}

function parseArchitecture(value: unknown, option: string): Architecture {
  const parsed = architectureSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0] ?? { path: [], message: "not an architecture" };
  const where = path.length === 0 ? "" : `${z.core.toDotPath(path)}: `;
  throw new Failure("usage", `${option} is not possible: ${where}${message}.`);
}

/** Sizes that train in minutes on a CPU. */
function modelDefaults(model: ModelName, dataset: Dataset): Record<string, unknown> & { architecture: ModelName } {
  const input = [...dataset.inputShape];
  const fits = { input, classes: dataset.classes };
  const side = Math.min(input[0] ?? 1, input[1] ?? 1);
  switch (model) {
    case "mlp":
      return { architecture: model, ...fits, hidden: [128, 128, 128, 128, 128, 128] };
    case "cnn":
    case "lenet":
      return { architecture: model, ...fits };
    case "vgg":
      return { architecture: model, ...fits, depth: 11, norm: "none", width: 0.5, pools: halvings(side) };
    case "resnet":
      return { architecture: model, ...fits, depth: 20, norm: "layer" };
    case "vit":
      return { architecture: model, ...fits, patch: side % 4 === 0 ? 4 : 1, width: 64, depth: 4, heads: 4 };
    case "transformer":
      return {
        architecture: model,
        ...sequenceDefaults(dataset),
        classes: dataset.classes,
        width: 64,
        depth: 2,
        heads: 4,
      };
  }
}

/** How often an image can be halved, five times at most. */
function halvings(side: number): number {
  return Math.max(1, Math.min(5, Math.floor(Math.log2(side))));
}

/** Labels at every position make a language model; one a sample, a classifier of sequences. */
function sequenceDefaults({ inputShape, classes, train, validation }: Dataset): Record<string, unknown> {
  const length = inputShape[0] ?? 1;
  const perPosition = labelsPerSample(train) === length && length > 1;
  const vocabulary = Math.max(2, 1 + highestToken(train), 1 + highestToken(validation));
  return perPosition
    ? { vocabulary: Math.max(vocabulary, classes), length, causal: true, pooling: "none" }
    : { vocabulary, length, causal: false, pooling: "mean" };
}

function highestToken({ x, scale, offset }: Shard): number {
  let highest = 0;
  for (const value of x) highest = Math.max(highest, value);
  return Math.ceil(highest * scale + offset);
}
