import { describe, expect, it } from "vitest";
import { labelsPerSampleOf, sampleShapeOf } from "../../../shared/models/architecture.ts";
import type { Dataset } from "../../../trainer/data/dataset.ts";
import {
  architectureFromJson,
  chooseArchitecture,
  MODEL_NAMES,
  parseSetting,
} from "../../../trainer/training/choose-architecture.ts";
import { architectureName } from "../../../trainer/training/family-name.ts";

function datasetOf(inputShape: readonly number[], classes: number, labels = 1): Dataset {
  const size = inputShape.reduce((product, dimension) => product * dimension, 1);
  const x = Uint8Array.from({ length: 2 * size }, (_, at) => at % 17);
  const split = { count: 2, inputShape: [...inputShape], x, y: new Int32Array(2 * labels), scale: 1, offset: 0 };
  return { name: "made", inputShape, classes, train: split, validation: split };
}

const images = { mnist: datasetOf([28, 28, 1], 10), cifar: datasetOf([32, 32, 3], 100) };

describe("chooseArchitecture", () => {
  it.each(
    MODEL_NAMES.filter((name) => name !== "transformer").flatMap((name) =>
      Object.values(images).map((data) => [name, data] as const),
    ),
  )("fits a %s to images by its defaults", (name, dataset) => {
    const architecture = chooseArchitecture(name, [], dataset);
    expect(architecture).toMatchObject({ architecture: name, classes: dataset.classes });
    expect(sampleShapeOf(architecture)).toEqual(dataset.inputShape);
    expect(architectureFromJson(JSON.stringify(architecture), dataset)).toEqual(architecture);
    expect(architectureName(architecture)).toMatch(new RegExp(`^${name}-[\\w.-]+$`));
  });

  it("makes a language model of sequences with a label at every position, else a classifier", () => {
    const language = chooseArchitecture("transformer", [], datasetOf([12], 20, 12));
    expect(language).toMatchObject({ vocabulary: 20, length: 12, causal: true, pooling: "none", classes: 20 });
    expect(labelsPerSampleOf(language)).toBe(12);
    const classifier = chooseArchitecture("transformer", [], datasetOf([12], 3));
    expect(classifier).toMatchObject({ vocabulary: 17, causal: false, pooling: "mean", classes: 3 });
  });

  it("takes what is set, numbers, words and lists", () => {
    const settings = ["depth=8", "norm=batch", "width=4"].map(parseSetting);
    const resnet = { architecture: "resnet", depth: 8, norm: "batch", width: 4 };
    expect(chooseArchitecture("resnet", settings, images.cifar)).toMatchObject(resnet);
    const lists = ["channels=8,16", "hidden=[32]"].map(parseSetting);
    expect(chooseArchitecture("cnn", lists, images.cifar)).toMatchObject({ channels: [8, 16], hidden: [32] });
  });

  it("refuses in one line what the architecture does not take", () => {
    const choose = (setting: string) => () => chooseArchitecture("vit", [parseSetting(setting)], images.cifar);
    expect(choose("patch=5")).toThrow("--model vit is not possible: patch must divide the image's height and width.");
    expect(choose("heads=3")).toThrow(/heads must divide width/);
    expect(choose("colour=red")).toThrow(/"colour"/);
    expect(() => parseSetting("depth")).toThrow(/KEY=VALUE/);
    expect(() => architectureFromJson('{"architecture":"gpt"}', images.cifar)).toThrow(/one of mlp, cnn/);
  });
});
