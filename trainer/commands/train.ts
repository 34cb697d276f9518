import { join } from "node:path";
import { type CommandContext, defineCommand } from "../command-line/command.ts";
import { layerWidths, optional, realNumber, seed, text, wholeNumber } from "../command-line/options.ts";
import { ProgressBoard } from "../command-line/progress-board.ts";
import { Failure } from "../failure.ts";
import { writeAtomically } from "../storage/atomic-file.ts";
import type { TrainedMember } from "../training/member-task.ts";
import { familyName, type FamilyOptions, familyTasks, REFERENCE_REGIME } from "../training/run-family.ts";
import { trainMembers } from "../training/train-members.ts";
import { DATASET_OPTIONS, loadFromOptions } from "./dataset-options.ts";

export const train = defineCommand({
  name: "train",
  summary: "train a family of checkpoints that fuse",
  description:
    "Trains models of one family: the same initial weights and the same mask of frozen entries (TNA-PFN,\n" +
    "arXiv:2402.01342), each with its own order of the data. Writes OUT/NAME-1.safetensors, OUT/NAME-2.safetensors, …\n" +
    "with what a worker needs to check the alignment. Equal options give equal bytes on one machine.",
  options: {
    ...DATASET_OPTIONS,
    "fixed-ratio": realNumber("a share in [0, 1)", (share) => share >= 0 && share < 1, {
      help: "share of the entries that keep their initial value",
      fallback: "0.4",
    }),
    models: wholeNumber(1, 10_000, { help: "how many members", fallback: "2" }),
    hidden: layerWidths({ help: "hidden layers, such as 128x6 or 256,128", fallback: "128x6" }),
    "learning-rate": realNumber("a positive number", (rate) => rate > 0 && Number.isFinite(rate), {
      help: "constant learning rate",
      fallback: String(REFERENCE_REGIME.learningRate),
    }),
    momentum: realNumber("a number in [0, 1)", (momentum) => momentum >= 0 && momentum < 1, {
      help: "of SGD; 0 is plain SGD",
      fallback: String(REFERENCE_REGIME.momentum),
    }),
    batch: wholeNumber(1, 1_000_000, { help: "samples a step", fallback: String(REFERENCE_REGIME.batch) }),
    epochs: wholeNumber(1, 1_000_000, { help: "passes over the data", fallback: String(REFERENCE_REGIME.epochs) }),
    seed: seed({ help: "of initial weights and orders", fallback: "1" }),
    "mask-seed": optional(seed({ help: "of the mask (default: the seed)" })),
    name: optional(text({ help: "of the family (default: dataset, model, ratio and seed)" })),
    out: text({ help: "folder for the checkpoints", placeholder: "DIR" }),
    threads: optional(wholeNumber(1, 1024, { help: "models trained at a time (default: one a core)" })),
  },
  examples: [
    { what: "a pair on the generated dataset, 40 % frozen", line: "edgefuse train --out checkpoints" },
    {
      what: "five models on MNIST without a mask",
      line: "edgefuse train --dataset mnist --fixed-ratio 0 --models 5 --out checkpoints",
    },
    { what: "for scripts: a JSON line a checkpoint", line: "edgefuse train --epochs 1 --out checkpoints --json" },
  ],
  async run(values, _operands, context) {
    if (values.name !== undefined && !/^[\w][\w.-]{0,99}$/.test(values.name)) {
      throw new Failure("usage", `--name ${JSON.stringify(values.name)} is not valid: letters, digits, _ . and -.`);
    }
    const dataset = await loadFromOptions(values, context);
    const options: FamilyOptions = {
      name: values.name,
      dataset,
      hidden: values.hidden,
      seed: values.seed,
      maskSeed: values["mask-seed"],
      fixedRatio: values["fixed-ratio"],
      models: values.models,
      regime: {
        learningRate: values["learning-rate"],
        momentum: values.momentum,
        batch: values.batch,
        epochs: values.epochs,
      },
    };
    const members = await trainOnBoard(options, values.threads, context);
    // Only when all have ended well: a family with a member missing is not what was asked for.
    const { terminal } = context;
    for (const member of members) {
      const path = join(values.out, `${member.label}.safetensors`);
      await writeAtomically(path, member.file);
      terminal.result(describeMember(member, path), summaryLine(member, path));
    }
  },
});

async function trainOnBoard(
  options: FamilyOptions,
  threads: number | undefined,
  { terminal, signal }: CommandContext,
): Promise<TrainedMember[]> {
  const tasks = familyTasks(options);
  const { dataset, fixedRatio } = options;
  const share = `${(100 * fixedRatio).toFixed(1).replace(/\.0$/, "")} %`;
  const name = options.name ?? familyName(options);
  terminal.note(
    `${name}: ${tasks.length} models, ${share} frozen, ${dataset.train.count} samples of ${dataset.name}, wasm`,
  );
  const board = new ProgressBoard(
    terminal,
    tasks.map((task) => task.label),
    () => performance.now(),
  );
  try {
    return await trainMembers(tasks, { threads, signal, onProgress: (progress) => board.update(progress) });
  } finally {
    board.finish();
  }
}

function describeMember(member: TrainedMember, path: string): Record<string, unknown> {
  const { label, sha256, fixedRatio, initialDigest, steps, metrics, seconds } = member;
  return {
    event: "checkpoint",
    path,
    sha256,
    label,
    member: member.member,
    fixedRatio,
    initialDigest,
    steps,
    metrics,
    seconds,
  };
}

function summaryLine({ sha256, metrics, seconds }: TrainedMember, path: string): string {
  const accuracy = `${(100 * metrics.validationAccuracy).toFixed(2)} %`;
  return `${sha256}  ${path}  accuracy ${accuracy}  loss ${metrics.validationLoss.toFixed(4)}  ${seconds.toFixed(1)} s`;
}
