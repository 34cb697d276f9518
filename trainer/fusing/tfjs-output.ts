import { basename, dirname, join } from "node:path";
import { canonicalJson } from "../../shared/recipe/canonical-json.ts";
import type { SafetensorsHeader } from "../../shared/safetensors/index.ts";
import { layersModelOf, weightsManifestOf } from "../../shared/tfjs-form/index.ts";

/** Files of a model in TF.js form. The weights are the data section of the safetensors file, byte for byte. */
export interface TfjsFiles {
  readonly modelPath: string;
  readonly weightsPath: string;
}

/** Where a model goes in TF.js form; undefined where the path asks for a safetensors file. */
export function tfjsFiles(path: string): TfjsFiles | undefined {
  if (basename(path) !== "model.json") return undefined;
  return { modelPath: path, weightsPath: join(dirname(path), "weights.bin") };
}

/**
 * The `model.json` of a fused model: the inputs' own, where all are TF.js models of one topology; else that of the
 * architecture which the file declares, for which a tfjs backend must be there.
 * @param header of the fused file
 * @param inputs bytes of each input's `model.json`, as far as they have one
 * @throws Problem `form-unavailable` where TF.js cannot read a dtype, or nothing says what network it is
 */
export function modelJsonOf(
  header: SafetensorsHeader,
  inputs: readonly (Uint8Array | undefined)[],
): Uint8Array<ArrayBuffer> {
  const weightsManifest = weightsManifestOf(header);
  const own = commonModel(inputs);
  const model = own === undefined ? layersModelOf(header) : { ...own, generatedBy: "edgefuse", weightsManifest };
  return new TextEncoder().encode(`${JSON.stringify(model)}\n`);
}

type ModelJson = Readonly<Record<string, unknown>>;

/** The first input's model, where the others are the same but for their weights. */
function commonModel(inputs: readonly (Uint8Array | undefined)[]): ModelJson | undefined {
  const models = inputs.map((bytes) =>
    bytes === undefined ? undefined : (JSON.parse(new TextDecoder().decode(bytes)) as ModelJson),
  );
  const [first] = models;
  const isSame = models.every((model) => model !== undefined && first !== undefined && kindOf(model) === kindOf(first));
  return isSame && first?.["modelTopology"] ? first : undefined;
}

/** What a model computes, apart from its weights. The model's own name is made up by a counter in tf.layers. */
function kindOf({ format, modelTopology, signature }: ModelJson): string {
  const unnamed = JSON.stringify({ format, modelTopology, signature }, (_, value: unknown) => {
    if (value === null || typeof value !== "object" || !("class_name" in value) || !("config" in value)) return value;
    const isModel = ["Sequential", "Model", "Functional"].includes(String(value.class_name));
    return isModel && typeof value.config === "object" ? { ...value, config: { ...value.config, name: "" } } : value;
  });
  return canonicalJson(JSON.parse(unnamed));
}
