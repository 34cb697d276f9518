import {
  type Architecture,
  buildModel,
  checkWeights,
  readArchitecture,
  weightSpecs,
} from "../../shared/models/index.ts";
import { Problem } from "../../shared/problem.ts";
import type { Dtype, SafetensorsHeader } from "../../shared/safetensors/index.ts";

/** One entry of a TF.js weights manifest. */
interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32";
  readonly quantization?: { readonly dtype: "float16" };
}

/** `model.json`, as `tf.loadLayersModel` reads it. */
export interface LayersModelJson {
  readonly format: "layers-model";
  readonly generatedBy: string;
  readonly convertedBy: null;
  readonly modelTopology: unknown;
  readonly weightsManifest: readonly [{ readonly paths: readonly [string]; readonly weights: readonly WeightEntry[] }];
}

/** How TF.js reads the bytes of a safetensors dtype as they lie; undefined where it cannot. */
function encodingOf(dtype: Dtype): Omit<WeightEntry, "name" | "shape"> | undefined {
  switch (dtype) {
    case "F32":
      return { dtype: "float32" };
    case "F16":
      return { dtype: "float32", quantization: { dtype: "float16" } };
    default:
      return undefined;
  }
}

/** Whether the data section of a file is, byte for byte, a weight file of TF.js. */
export function hasWeightsForm({ tensors }: SafetensorsHeader): boolean {
  return tensors.every(({ dtype }) => encodingOf(dtype) !== undefined);
}

/**
 * A model's TF.js form: the architecture's topology, and a manifest that reads the safetensors data section as it is.
 * Builds the tf.layers model for a moment, on the current backend.
 * @see https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts
 * @throws Problem `form-unavailable` saying why
 */
export function layersModelOf(header: SafetensorsHeader): LayersModelJson {
  const weights = header.tensors.map(({ name, dtype, shape }): WeightEntry => {
    const encoding = encodingOf(dtype);
    if (encoding === undefined) {
      throw unavailable(`TF.js reads float32 and float16 weights; ${JSON.stringify(name)} is ${dtype}.`);
    }
    return { name, shape, ...encoding };
  });
  return {
    format: "layers-model",
    generatedBy: "edgefuse",
    convertedBy: null,
    modelTopology: topologyOf(declaredArchitecture(header), header),
    weightsManifest: [{ paths: ["weights.bin"], weights }],
  };
}

function topologyOf(architecture: Architecture, { tensors }: SafetensorsHeader): unknown {
  const model = buildModel(architecture);
  try {
    checkWeights(weightSpecs(model), new Map(tensors.map(({ name, shape }) => [name, shape])));
    return model.toJSON(null, false);
  } catch (error) {
    throw error instanceof Problem ? unavailable(error.message) : error;
  } finally {
    model.dispose();
  }
}

function declaredArchitecture({ metadata }: SafetensorsHeader): Architecture {
  try {
    return readArchitecture(metadata);
  } catch (error) {
    throw error instanceof Problem ? unavailable(error.message) : error;
  }
}

export function unavailable(reason: string): Problem {
  return new Problem("form-unavailable", reason);
}
