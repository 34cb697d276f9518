export { convertTfjs, tfjsInput, type TfjsCheckpoint } from "./convert.ts";
export {
  hasWeightsForm,
  layersModelOf,
  type LayersModelJson,
  unavailable,
  type WeightEntry,
  type WeightsManifest,
  weightsManifestOf,
} from "./layers-model.ts";
export { parseModelJson, TFJS_LIMITS, type TfjsGroup, type TfjsModel, type TfjsWeight } from "./model-json.ts";
