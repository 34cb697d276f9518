import { NO_MASK } from "../../shared/alignment/mask-plan.ts";
import type { Shard } from "../../shared/evaluation/shard.ts";
import { type Architecture, sampleShapeOf } from "../../shared/models/index.ts";
import { RandomStream } from "../../shared/random/stream.ts";
import { NO_AUGMENTATION } from "../../trainer/data/augmentation.ts";
import type { Dataset } from "../../trainer/data/dataset.ts";
import type { MemberTask } from "../../trainer/training/member-task.ts";
import { sgd } from "../../trainer/training/regime.ts";
import { trainMembers } from "../../trainer/training/train-members.ts";

/** Steps a second of all models together, while all of them train. */
export async function parallelThroughput(
  architecture: Architecture,
  batch: number,
  steps: number,
  models: number,
): Promise<number> {
  const dataset = randomDataset(architecture, batch * 20, batch);
  const epochs = Math.max(1, Math.round(steps / 20));
  const tasks = Array.from({ length: models }, (_, index): MemberTask => ({
    label: `bench-${index}`,
    dataset,
    architecture,
    seed: 1n,
    orderSeed: 1n,
    mask: NO_MASK,
    member: index + 1,
    regime: { learningRate: 0.001, batch, epochs, ...sgd(0.9) },
    augmentation: NO_AUGMENTATION,
  }));
  const marks = tasks.map((): { time: number; step: number }[] => []);
  await trainMembers(tasks, {
    threads: models,
    onMetrics: ({ step }, task) => marks[task]?.push({ time: performance.now(), step }),
  });
  // From when the last has begun to when the first has ended; the first mark of each is its warm-up.
  const begin = Math.max(...marks.map((list) => list[1]?.time ?? Number.NaN));
  const end = Math.min(...marks.map((list) => list.at(-1)?.time ?? Number.NaN));
  const done = marks.reduce((sum, list) => sum + stepAt(list, end) - stepAt(list, begin), 0);
  return (1000 * done) / (end - begin);
}

/** The step a model was at, linear between its marks. */
function stepAt(marks: readonly { time: number; step: number }[], time: number): number {
  for (const [index, next] of marks.entries()) {
    const last = marks[index - 1];
    if (last === undefined || next.time < time) continue;
    return last.step + ((next.step - last.step) * (time - last.time)) / Math.max(next.time - last.time, 1e-9);
  }
  return marks.at(-1)?.step ?? Number.NaN;
}

function randomDataset(architecture: Architecture, train: number, validation: number): Dataset {
  const inputShape = sampleShapeOf(architecture);
  const { classes } = architecture;
  const split = (name: string, count: number): Shard => {
    const random = new RandomStream(3n, name);
    const size = inputShape.reduce((product, length) => product * length, count);
    const x = Uint8Array.from({ length: size }, () => random.below(256));
    const y = Int32Array.from({ length: count }, (_, index) => index % classes);
    return { count, inputShape, x, y, scale: 1 / 255, offset: 0 };
  };
  return {
    name: "bench",
    inputShape,
    classes,
    train: split("train", train),
    validation: split("validation", validation),
  };
}
