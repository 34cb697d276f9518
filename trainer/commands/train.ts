import { type CommandContext, defineCommand } from "../command-line/command.ts";
import { choice, flag, optional, realNumber, seed, text, type Values, wholeNumber } from "../command-line/options.ts";
import type { Dataset } from "../data/dataset.ts";
import { type PartitionSpec, partitionSplit } from "../data/partition-spec.ts";
import { Failure } from "../failure.ts";
import { pushTarget } from "../storage/push-checkpoint.ts";
import type { FinishedMember } from "../training/family-files.ts";
import { familyName } from "../training/family-name.ts";
import type { FamilyOptions } from "../training/run-family.ts";
import { ARCHITECTURE_OPTIONS, architectureFromOptions, scopeFromOption, scopeOption } from "./architecture-options.ts";
import {
  AUGMENTATION_OPTIONS,
  augmentationFromOptions,
  DATASET_OPTIONS,
  loadFromOptions,
  PARTITION_OPTIONS,
} from "./dataset-options.ts";
import { pushFamily } from "./push-family.ts";
import { REGIME_OPTIONS, regimeFromOptions } from "./regime-options.ts";
import { RUN_OPTIONS } from "./run-options.ts";
import { stopFailure, trainToFiles } from "./train-to-files.ts";

const OPTIONS = {
  ...DATASET_OPTIONS,
  ...ARCHITECTURE_OPTIONS,
  models: wholeNumber(1, 10_000, { help: "how many members", fallback: "2" }),
  member: optional(
    wholeNumber(1, 10_000, { help: "train this one alone, to the bytes it has among the others (default: all)" }),
  ),
  "fixed-ratio": realNumber("a share in [0, 1)", (share) => share >= 0 && share < 1, {
    help: "share of the entries that keep their initial value",
    fallback: "0.4",
  }),
  frozen: choice(["initial", "zero"], {
    help: "what frozen entries are; zero is pruning at initialisation",
    fallback: "initial",
  }),
  scope: scopeOption,
  ...REGIME_OPTIONS,
  ...AUGMENTATION_OPTIONS,
  ...PARTITION_OPTIONS,
  seed: seed({ help: "of initial weights, orders and mask", fallback: "1" }),
  "mask-seed": optional(seed({ help: "of the mask (default: the seed)" })),
  "order-seed": optional(seed({ help: "of orders, augmentation and partition (default: the seed)" })),
  "different-init": flag("every member starts from weights of its own, for comparison: such models do not fuse well"),
  name: optional(text({ help: "of the family (default: dataset, model, ratio and seed)" })),
  out: text({ help: "folder for the checkpoints", placeholder: "DIR" }),
  ...RUN_OPTIONS,
};

export const train = defineCommand({
  name: "train",
  summary: "train a family of checkpoints that fuse",
  description:
    "Trains models of one family: the same initial weights and the same mask of frozen entries (TNA-PFN,\n" +
    "arXiv:2402.01342), each with its own order of the data. Writes OUT/NAME-1.safetensors, OUT/NAME-2.safetensors, …\n" +
    "with what a worker needs to check the alignment. Equal options give equal bytes on one machine.\n\n" +
    "The same command goes on where a run was stopped or killed, to the same bytes, and leaves alone what is done.\n" +
    "SIGTERM saves the state and ends with 75 (run me again), Ctrl-C with 130.",
  options: OPTIONS,
  examples: [
    { what: "a pair on the generated dataset, 40 % frozen", line: "edgefuse train --out checkpoints" },
    {
      what: "five models on MNIST without a mask",
      line: "edgefuse train --dataset mnist --fixed-ratio 0 --models 5 --out checkpoints",
    },
    {
      what: "a ResNet on CIFAR-10 as it is usually trained, the first layer frozen to 80 %",
      line: "edgefuse train --dataset cifar10 --model resnet --set depth=20 --set norm=batch --nesterov --weight-decay 5e-4 --schedule cosine --warmup 500 --crop 4 --flip --fixed-ratio 0.8 --scope first --keep-best --out checkpoints",
    },
    {
      what: "one member a machine: here the third of five",
      line: "edgefuse train --models 5 --member 3 --out checkpoints",
    },
    {
      what: "on different data, with a record of the losses",
      line: "edgefuse train --partition dirichlet:0.5 --optimizer adamw --metrics metrics.jsonl --out checkpoints",
    },
    { what: "train, upload and register", line: "edgefuse train --out checkpoints --push" },
    { what: "for scripts: a JSON line a checkpoint", line: "edgefuse train --epochs 1 --out checkpoints --json" },
  ],
  async run(values, _operands, context) {
    const { signal } = context;
    let fresh = false;
    try {
      await run(values, context, () => ({ fresh } = values));
    } catch (error) {
      const saysHow = error instanceof Failure && error.tellsOfStop;
      throw signal.aborted && !saysHow ? stopFailure(signal.reason, { fresh }) : error;
    }
  },
});

/** @param onTrained called once all files are in place */
async function run(values: Values<typeof OPTIONS>, context: CommandContext, onTrained: () => void): Promise<void> {
  const { name } = values;
  if (name !== undefined && !/^[\w][\w.-]{0,99}$/.test(name)) {
    throw new Failure("usage", `--name ${JSON.stringify(name)} is not valid: letters, digits, _ . and -.`);
  }
  if (values.member !== undefined && values.member > values.models) {
    throw new Failure("usage", `--member ${values.member} is none of ${values.models} --models.`);
  }
  if (values["upload-only"] && !values.push) throw new Failure("usage", "--upload-only belongs to --push.");
  // Before hours of training, not after.
  const target = values.push ? pushTarget(context.environment, { uploadOnly: values["upload-only"] }) : undefined;
  const regime = regimeFromOptions(values);
  const dataset = await loadFromOptions(values, context);
  const architecture = architectureFromOptions(values, dataset);
  const orderSeed = values["order-seed"] ?? values.seed;
  const options: FamilyOptions = {
    name,
    dataset,
    architecture,
    seed: values.seed,
    orderSeed,
    maskSeed: values["mask-seed"],
    fixedRatio: values["fixed-ratio"],
    scope: scopeFromOption(values.scope, architecture),
    frozenValue: values.frozen,
    models: values.models,
    regime,
    augmentation: augmentationFromOptions(values, dataset),
    samples: partitionOf(values, dataset, orderSeed),
    differentInit: values["different-init"],
  };
  const members = await trainToFiles(
    { ...options, name: name ?? familyName(options) },
    {
      out: values.out,
      member: values.member,
      backend: values.backend,
      threads: values.threads,
      checkpointEvery: values["checkpoint-every"],
      fresh: values.fresh,
      keepBest: values["keep-best"],
      metrics: values.metrics,
    },
    context,
  );
  onTrained();
  for (const member of members) context.terminal.result(describeMember(member), summaryLine(member));
  if (target !== undefined) await pushFamily(target, members, context);
}

/** Undefined where all members see all samples. */
function partitionOf(
  { partition, models }: { readonly partition: PartitionSpec | undefined; readonly models: number },
  { train: split, classes }: Dataset,
  orderSeed: bigint,
): Uint32Array<ArrayBuffer>[] | undefined {
  return partition === undefined ? undefined : partitionSplit(split, classes, partition, models, orderSeed);
}

function describeMember(finished: FinishedMember): Record<string, unknown> {
  const { path, sha256, label, member, fixedRatio, initialDigest, steps, metrics, best, seconds } = finished;
  return {
    event: "checkpoint",
    path,
    sha256,
    label,
    member,
    fixedRatio,
    initialDigest,
    steps,
    metrics,
    ...(best === undefined
      ? {}
      : { best: { path: best.path, sha256: best.sha256, epoch: best.epoch, validation: best.validation } }),
    ...(seconds === undefined ? { trained: "before" } : { seconds }),
  };
}

function summaryLine({ sha256, path, metrics, best, seconds }: FinishedMember): string {
  const took = seconds === undefined ? "trained before" : `${seconds.toFixed(1)} s`;
  const last = `${sha256}  ${path}  ${described(metrics.validationAccuracy, metrics.validationLoss)}  ${took}`;
  if (best === undefined) return last;
  const { accuracy, loss } = best.validation;
  return `${last}\n${best.sha256}  ${best.path}  ${described(accuracy, loss)}  epoch ${best.epoch}`;
}

const described = (accuracy: number, loss: number) =>
  `accuracy ${(100 * accuracy).toFixed(2)} %  loss ${loss.toFixed(4)}`;
