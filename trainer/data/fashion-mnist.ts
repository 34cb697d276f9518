import { idxDataset } from "./idx-dataset.ts";

/**
 * Fashion-MNIST, Xiao, Rasul and Vollgraf (arXiv:1708.07747): MNIST's format and file names. MD5 as on the publisher's
 * page, https://github.com/zalandoresearch/fashion-mnist. Normalised by the mean and deviation of its training pixels,
 * as MNIST is.
 */
export const fashionMnist = idxDataset({
  name: "fashion-mnist",
  summary: "articles of clothing, 28x28 grey (downloaded, or IDX files in --data-dir)",
  classes: 10,
  mean: 0.286,
  deviation: 0.353,
  mirrors: [
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
  ],
  files: {
    train: {
      images: {
        name: "train-images-idx3-ubyte.gz",
        sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        md5: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        bytes: 26_421_880,
      },
      labels: {
        name: "train-labels-idx1-ubyte.gz",
        sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        md5: "25c81989df183df01b3e8a0aad5dffbe",
        bytes: 29_515,
      },
    },
    validation: {
      images: {
        name: "t10k-images-idx3-ubyte.gz",
        sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        md5: "bef4ecab320f06d8554ea6380940ec79",
        bytes: 4_422_102,
      },
      labels: {
        name: "t10k-labels-idx1-ubyte.gz",
        sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        md5: "bb300cfdad3c16e7a12a480ee83cd310",
        bytes: 5_148,
      },
    },
  },
});
