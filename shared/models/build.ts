import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Architecture } from "./architecture.ts";
import { buildMlp } from "./mlp.ts";

/**
 * Builds the tf.layers model of an architecture, with all weights zero, on the current backend. Its output is logits.
 * The caller disposes of it.
 */
export function buildModel(architecture: Architecture): LayersModel {
  switch (architecture.architecture) {
    case "mlp":
      return buildMlp(architecture);
  }
}
