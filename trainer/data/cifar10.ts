import { cifarDataset } from "./cifar-dataset.ts";

/**
 * CIFAR-10, Krizhevsky: https://www.cs.toronto.edu/~kriz/cifar.html, whose page has the MD5 of the binary version.
 * Classes in order: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck.
 */
export const cifar10 = cifarDataset({
  name: "cifar10",
  summary: "photographs in 10 classes, 32x32 colour (downloaded, or .bin files in --data-dir)",
  classes: 10,
  record: { labels: [10] },
  archive: {
    name: "cifar-10-binary.tar.gz",
    sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    md5: "c32a1d4ab5d03f1284b67883e8d87530",
    bytes: 170_052_171,
  },
  folder: "cifar-10-batches-bin",
  files: {
    train: ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    validation: ["test_batch.bin"],
  },
});
