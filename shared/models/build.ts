import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Architecture } from "./architecture.ts";
import { buildCnn } from "./cnn.ts";
import { buildLenet } from "./lenet.ts";
import { buildMlp } from "./mlp.ts";
import { buildResnet } from "./resnet.ts";
import { buildTransformer } from "./transformer.ts";
import { buildVgg } from "./vgg.ts";
import { buildVit } from "./vit.ts";

/**
 * Builds the tf.layers model of an architecture, with all weights zero, on the current backend. Its output is logits.
 * The caller disposes of it.
 */
export function buildModel(architecture: Architecture): LayersModel {
  switch (architecture.architecture) {
    case "mlp":
      return buildMlp(architecture);
    case "cnn":
      return buildCnn(architecture);
    case "lenet":
      return buildLenet(architecture);
    case "vgg":
      return buildVgg(architecture);
    case "resnet":
      return buildResnet(architecture);
    case "vit":
      return buildVit(architecture);
    case "transformer":
      return buildTransformer(architecture);
  }
}
