import { cifarDataset } from "./cifar-dataset.ts";

/**
 * CIFAR-100, Krizhevsky: https://www.cs.toronto.edu/~kriz/cifar.html, whose page has the MD5 of the binary version.
 * The 100 fine classes are learnt; the 20 superclasses are only checked.
 */
export const cifar100 = cifarDataset({
  name: "cifar100",
  summary: "photographs in 100 classes, 32x32 colour (downloaded, or .bin files in --data-dir)",
  classes: 100,
  record: { labels: [20, 100] },
  archive: {
    name: "cifar-100-binary.tar.gz",
    sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    md5: "03b5dce01913d631647c71ecec9e9cb8",
    bytes: 168_513_733,
  },
  folder: "cifar-100-binary",
  files: { train: ["train.bin"], validation: ["test.bin"] },
});
