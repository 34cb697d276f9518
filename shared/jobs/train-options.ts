import * as z from "zod";

const LONGEST = 1_000;

/** C0, DEL and C1, line and paragraph separators, and what turns the direction of text. */
const CONTROL = new RegExp(String.raw`[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]`);

/**
 * Text of a spec. What begins with `-` could be taken for an option of a command, control characters for something else
 * where they are shown.
 */
export const specText = (longest = LONGEST) =>
  z
    .string()
    .min(1)
    .max(longest)
    .refine((text) => !text.startsWith("-"), "no text that begins with -")
    .refine((text) => !CONTROL.test(text), "no control characters");

/** Text that is neither a path nor an address. */
const word = (pattern: RegExp, expected: string) => specText(200).regex(pattern, expected);

const share = z.number().min(0).lt(1);
const positive = z.number().positive();

/** 64 bits; as text where a JSON number is too small for it. */
const seed = z.union([z.int().min(0), z.string().regex(/^\d{1,20}$/, "a whole number in decimal")]);

const common = {
  dataset: word(/^[a-z0-9][a-z0-9-]*$/, "the name of a dataset of the trainer"),
  model: word(/^[a-z0-9][a-z0-9-]*$/, "the name of an architecture"),
  hidden: word(/^[0-9x,]+$/, "widths such as 128x6 or 256,128"),
  set: z.array(word(/^[A-Za-z][A-Za-z0-9]*=[A-Za-z0-9.,+-]+$/, "KEY=VALUE")).max(32),
  architecture: specText(20_000).regex(/^\{/, "a JSON object, as text"),
  "fixed-ratio": share,
  optimizer: z.enum(["sgd", "adam", "adamw"]),
  "learning-rate": positive,
  momentum: share,
  nesterov: z.boolean(),
  "weight-decay": z.number().min(0),
  betas: word(/^[0-9.]+,[0-9.]+$/, "two numbers, such as 0.9,0.999"),
  schedule: word(/^[a-z]+(:[0-9.]+){0,2}$/, "such as constant, step:10:0.1 or cosine:0.01"),
  warmup: z.int().min(0).max(1e9),
  "label-smoothing": share,
  "clip-norm": positive,
  batch: z.int().min(1).max(1e6),
  epochs: z.int().min(1).max(1e6),
  crop: z.int().min(0).max(1024),
  flip: z.boolean(),
  threads: z.int().min(1).max(1024),
} as const;

/**
 * Options of `edgefuse train` that a job may have: those that say what is trained. None names a file, a folder, an
 * address or a command; where files go is the agent's affair. What is left out has the command's default.
 */
export const trainOptions = z
  .strictObject({
    ...common,
    models: z.int().min(1).max(10_000),
    frozen: z.enum(["initial", "zero"]),
    scope: word(/^[A-Za-z0-9_*?,/.[\]-]+$/, "all, first, middle, last, or patterns of tensor names"),
    partition: word(/^[a-z]+(:[0-9.]+)?$/, "iid, dirichlet:ALPHA or labels:COUNT"),
    seed,
    "mask-seed": seed,
    "order-seed": seed,
    "different-init": z.boolean(),
    name: word(/^\w[\w.-]{0,99}$/, "letters, digits, _ . and -"),
    "checkpoint-every": word(/^(\d{1,9}[smh]?|never)$/, "200 (steps), 30s, 5m, or never"),
    "keep-best": z.boolean(),
  })
  .partial()
  .meta({ id: "TrainOptions" });

/** Likewise of `edgefuse experiment lmc`. */
export const experimentOptions = z
  .strictObject({
    ...common,
    study: word(/^[a-z]+(-[a-z]+)*(,[a-z]+(-[a-z]+)*)*$/, "names of studies, or all"),
    ratios: word(/^[0-9.]+(,[0-9.]+)*$/, "shares such as 0,0.4,0.8"),
    pairs: z.int().min(1).max(100),
    models: z.int().min(2).max(64),
  })
  .partial()
  .meta({ id: "ExperimentOptions" });

export type TrainOptions = z.infer<typeof trainOptions>;
export type ExperimentOptions = z.infer<typeof experimentOptions>;

/** Names that {@link trainOptions} knows, as on the command line. */
export const TRAIN_OPTION_NAMES: readonly string[] = Object.keys(trainOptions.shape);
export const EXPERIMENT_OPTION_NAMES: readonly string[] = Object.keys(experimentOptions.shape);

/**
 * Options as words of a command line: `--name=value`, one word each, so that no value can be taken for an option. A flag
 * that is false is left out.
 */
export function wordsOfOptions(options: TrainOptions | ExperimentOptions): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    if (value === true) return [`--${name}`];
    const values: readonly (string | number)[] = Array.isArray(value) ? value : [value];
    return values.map((one) => `--${name}=${one}`);
  });
}
