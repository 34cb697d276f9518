import { RandomStream } from "../../../shared/random/stream.ts";
import type { Shard } from "../../../shared/evaluation/shard.ts";
import type { Dataset } from "../../../trainer/data/dataset.ts";

/** Four classes, told by which quarter of a 4x4 image is bright; small enough to train in a moment. */
export function tinyDataset(train = 240, validation = 80): Dataset {
  return {
    name: "quarters",
    inputShape: [4, 4, 1],
    classes: 4,
    train: makeSplit("train", train),
    validation: makeSplit("validation", validation),
  };
}

function makeSplit(label: string, count: number): Shard {
  const random = new RandomStream(7n, label);
  const y = Int32Array.from({ length: count }, (_, index) => index % 4);
  const x = new Uint8Array(count * 16);
  for (let index = 0; index < count; index++) {
    for (let pixel = 0; pixel < 16; pixel++) {
      const quarter = 2 * Math.floor(pixel / 8) + (Math.floor(pixel / 2) % 2);
      x[index * 16 + pixel] = random.below(150) + (quarter === y[index] ? 90 : 0);
    }
  }
  return { count, inputShape: [4, 4, 1], x, y, scale: 1 / 64, offset: -1.5 };
}
