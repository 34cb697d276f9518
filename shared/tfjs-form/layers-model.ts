import { type Architecture, buildModel, checkWeights, readArchitecture, weightShapes } from "../models/index.ts";
import { Problem } from "../problem.ts";
import type { Dtype, SafetensorsHeader } from "../safetensors/index.ts";

/** One entry of a TF.js weights manifest. */
export interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32" | "bool";
  readonly quantization?: { readonly dtype: "float16" };
}

export type WeightsManifest = readonly [
  { readonly paths: readonly [string]; readonly weights: readonly WeightEntry[] },
];

/** `model.json`, as `tf.loadLayersModel` reads it. */
export interface LayersModelJson {
  readonly format: "layers-model";
  readonly generatedBy: string;
  readonly convertedBy: null;
  readonly modelTopology: unknown;
  readonly weightsManifest: WeightsManifest;
}

/** How TF.js reads the bytes of a safetensors dtype as they lie; undefined where it cannot. */
function encodingOf(dtype: Dtype): Omit<WeightEntry, "name" | "shape"> | undefined {
  switch (dtype) {
    case "F32":
      return { dtype: "float32" };
    case "F16":
      return { dtype: "float32", quantization: { dtype: "float16" } };
    case "I32":
      return { dtype: "int32" };
    case "BOOL":
      return { dtype: "bool" };
    default:
      return undefined;
  }
}

/** Whether the data section of a file is, byte for byte, a weight file of TF.js. */
export function hasWeightsForm({ tensors }: SafetensorsHeader): boolean {
  return tensors.every(({ dtype }) => encodingOf(dtype) !== undefined);
}

/**
 * A weights manifest that reads a safetensors data section as it is.
 * @param path name of the weight file
 * @throws Problem `form-unavailable` where TF.js cannot read a dtype
 */
export function weightsManifestOf({ tensors }: SafetensorsHeader, path = "weights.bin"): WeightsManifest {
  const weights = tensors.map(({ name, dtype, shape }): WeightEntry => {
    const encoding = encodingOf(dtype);
    if (encoding === undefined) {
      throw unavailable(`TF.js reads F32, F16, I32 and BOOL as they lie; ${JSON.stringify(name)} is ${dtype}.`);
    }
    return { name, shape, ...encoding };
  });
  return [{ paths: [path], weights }];
}

/**
 * A model's TF.js form: the architecture's topology, and a manifest that reads the safetensors data section as it is.
 * Builds the tf.layers model for a moment, on the current backend.
 * @see https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts
 * @throws Problem `form-unavailable` saying why
 */
export function layersModelOf(header: SafetensorsHeader): LayersModelJson {
  const weightsManifest = weightsManifestOf(header);
  return {
    format: "layers-model",
    generatedBy: "edgefuse",
    convertedBy: null,
    modelTopology: topologyOf(declaredArchitecture(header), header),
    weightsManifest,
  };
}

function topologyOf(architecture: Architecture, { tensors }: SafetensorsHeader): unknown {
  try {
    // Before the model: the architecture is what the file says, and may be far larger than the file.
    checkWeights(weightShapes(architecture), new Map(tensors.map(({ name, shape }) => [name, shape])));
  } catch (error) {
    throw error instanceof Problem ? unavailable(error.message) : error;
  }
  const model = buildModel(architecture);
  try {
    return model.toJSON(null, false);
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
