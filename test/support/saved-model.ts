import * as tf from "@tensorflow/tfjs-core";
import type * as tfl from "@tensorflow/tfjs-layers";

/** A TF.js model as `model.save` writes it. */
export interface SavedModel {
  /** Of `model.json`. */
  readonly modelJson: Readonly<Record<string, unknown>>;
  readonly weightData: Uint8Array<ArrayBuffer>;
}

/** What the real `model.save` hands to its handler, put together as `model.json` and one weight file. */
export async function savedModel(model: tfl.LayersModel): Promise<SavedModel> {
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler((given) => {
      artifacts = given;
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } });
    }),
  );
  if (artifacts === undefined) throw new Error("the model was not saved");
  const { weightData, weightSpecs, ...rest } = artifacts;
  return {
    modelJson: JSON.parse(
      JSON.stringify({ ...rest, weightsManifest: [{ paths: ["weights.bin"], weights: weightSpecs }] }),
    ) as Record<string, unknown>,
    weightData: new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData ?? new ArrayBuffer(0))),
  };
}
