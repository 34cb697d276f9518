import { idxDataset } from "./idx-dataset.ts";

/**
 * MNIST, LeCun, Cortes and Burges. The original site no longer serves the files; these mirrors are the ones that
 * torchvision and TensorFlow Datasets use, with the checksums of the originals.
 */
export const mnist = idxDataset({
  name: "mnist",
  summary: "handwritten digits, 28x28 grey (downloaded, or IDX files in --data-dir)",
  classes: 10,
  mean: 0.1307,
  deviation: 0.3081,
  mirrors: ["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"],
  files: {
    train: {
      images: {
        name: "train-images-idx3-ubyte.gz",
        sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        bytes: 9_912_422,
      },
      labels: {
        name: "train-labels-idx1-ubyte.gz",
        sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        bytes: 28_881,
      },
    },
    validation: {
      images: {
        name: "t10k-images-idx3-ubyte.gz",
        sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        bytes: 1_648_877,
      },
      labels: {
        name: "t10k-labels-idx1-ubyte.gz",
        sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        bytes: 4_542,
      },
    },
  },
});
