import {
  choice,
  flag,
  optional,
  realNumber,
  type ValueOption,
  type Values,
  wholeNumber,
} from "../command-line/options.ts";
import { Failure } from "../failure.ts";
import type { OptimizerSpec, Regime, ScheduleSpec } from "../training/regime.ts";
import { REFERENCE_REGIME } from "../training/run-family.ts";

const share = (help: string) => realNumber("a number in [0, 1)", (number) => number >= 0 && number < 1, { help });
const positive = (help: string) =>
  realNumber("a positive number", (number) => number > 0 && Number.isFinite(number), { help });
const notNegative = (help: string) =>
  realNumber("a number from 0", (number) => number >= 0 && Number.isFinite(number), { help });

/** Defaults of PyTorch, but for SGD's rate and momentum, which are the reference runs'. */
const DEFAULT_MOMENTUM = 0.9;
const DEFAULT_ADAM_RATE = 0.001;
const DEFAULT_ADAMW_DECAY = 0.01;

const betas: ValueOption<readonly [number, number]> = {
  kind: "value",
  placeholder: "B1,B2",
  help: "of Adam (default 0.9,0.999)",
  parse(given) {
    const [first, second, ...rest] = given.split(",").map(Number);
    const isBeta = (number: number | undefined) => number !== undefined && number >= 0 && number < 1;
    if (!isBeta(first) || !isBeta(second) || rest.length > 0 || first === undefined || second === undefined) {
      throw new Error("two numbers in [0, 1), such as 0.9,0.999");
    }
    return [first, second];
  },
};

type Schedule = ScheduleSpec extends infer S ? (S extends { name: string } ? Omit<S, "warmupSteps"> : never) : never;

const schedule: ValueOption<Schedule> = {
  kind: "value",
  placeholder: "constant|step|cosine",
  help: "of the rate; step:EPOCHS:FACTOR (step = step:10:0.1), cosine:FLOOR (share of the full rate at the end)",
  fallback: "constant",
  parse(given) {
    const [name, ...numbers] = given.split(":");
    const [first, second] = numbers.map(Number);
    if (name === "constant" && numbers.length === 0) return { name };
    if (name === "step" && numbers.length <= 2) {
      const [everyEpochs, factor] = [first ?? 10, second ?? 0.1];
      if (Number.isInteger(everyEpochs) && everyEpochs >= 1 && factor > 0 && Number.isFinite(factor)) {
        return { name, everyEpochs, factor };
      }
    }
    if (name === "cosine" && numbers.length <= 1 && (first ?? 0) >= 0 && (first ?? 0) <= 1) {
      return { name, floor: first ?? 0 };
    }
    throw new Error(
      "constant, step, step:EPOCHS:FACTOR such as step:10:0.1, cosine or cosine:FLOOR such as cosine:0.01",
    );
  },
};

/** Options that say how a model is optimised. */
export const REGIME_OPTIONS = {
  optimizer: choice(["sgd", "adam", "adamw"], { help: "the rule of updates, as PyTorch has it", fallback: "sgd" }),
  "learning-rate": optional(
    positive(`the full rate (default ${REFERENCE_REGIME.learningRate}; Adam: ${DEFAULT_ADAM_RATE})`),
  ),
  momentum: optional(share(`of SGD (default ${DEFAULT_MOMENTUM}); 0 is plain SGD`)),
  nesterov: flag("SGD looks ahead along its momentum"),
  "weight-decay": optional(
    notNegative(`added to the gradient; decoupled in AdamW (default 0; AdamW: ${DEFAULT_ADAMW_DECAY})`),
  ),
  betas: optional(betas),
  schedule,
  warmup: wholeNumber(0, 1_000_000_000, { help: "steps over which the rate rises to the full one", fallback: "0" }),
  "label-smoothing": realNumber("a number in [0, 1)", (number) => number >= 0 && number < 1, {
    help: "share of the target spread over all classes",
    fallback: "0",
  }),
  "clip-norm": optional(positive("largest norm of all gradients together")),
  batch: wholeNumber(1, 1_000_000, { help: "samples a step", fallback: String(REFERENCE_REGIME.batch) }),
  epochs: wholeNumber(1, 1_000_000, { help: "passes over the data", fallback: String(REFERENCE_REGIME.epochs) }),
};

export type RegimeValues = Values<typeof REGIME_OPTIONS>;

/**
 * The regime that the options say.
 * @throws Failure `usage` for options that do not go together
 */
export function regimeFromOptions(values: RegimeValues): Regime {
  const optimizer = optimizerFromOptions(values);
  return {
    learningRate:
      values["learning-rate"] ?? (optimizer.name === "sgd" ? REFERENCE_REGIME.learningRate : DEFAULT_ADAM_RATE),
    optimizer,
    schedule: { ...values.schedule, warmupSteps: values.warmup },
    batch: values.batch,
    epochs: values.epochs,
    labelSmoothing: values["label-smoothing"],
    ...(values["clip-norm"] === undefined ? {} : { clipNorm: values["clip-norm"] }),
  };
}

function optimizerFromOptions(values: RegimeValues): OptimizerSpec {
  const { optimizer: name, nesterov } = values;
  const weightDecay = values["weight-decay"];
  switch (name) {
    case "sgd": {
      if (values.betas !== undefined) throw new Failure("usage", "--betas belongs to Adam; SGD has --momentum.");
      const momentum = values.momentum ?? DEFAULT_MOMENTUM;
      if (nesterov && momentum === 0) throw new Failure("usage", "--nesterov needs a --momentum above 0.");
      return { name, momentum, nesterov, weightDecay: weightDecay ?? 0 };
    }
    case "adam":
    case "adamw": {
      const wrong = nesterov ? "--nesterov" : values.momentum === undefined ? undefined : "--momentum";
      if (wrong !== undefined) throw new Failure("usage", `${wrong} belongs to SGD; ${name} has --betas.`);
      const [beta1, beta2] = values.betas ?? [0.9, 0.999];
      const decay = weightDecay ?? (name === "adamw" ? DEFAULT_ADAMW_DECAY : 0);
      return { name, beta1, beta2, epsilon: 1e-8, weightDecay: decay };
    }
  }
}
