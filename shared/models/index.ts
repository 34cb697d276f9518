export {
  type Architecture,
  architectureSchema,
  labelsPerSampleOf,
  MODEL_KEY,
  readArchitecture,
  sampleShapeOf,
} from "./architecture.ts";
export { buildModel } from "./build.ts";
export { initialWeights } from "./initialize.ts";
export { type LayerScope, maskScopeOf } from "./layer-scopes.ts";
export {
  axisSources,
  type AxisPermutation,
  permutationSpec,
  type PermutationSpec,
  type Permutations,
  permuteWeights,
  type WeightAxes,
} from "./permutations.ts";
export { parameterCount, type WeightShape, weightShapes } from "./weight-shapes.ts";
export { assignWeights, checkWeights, type Weight, type Weights, type WeightSpec, weightSpecs } from "./weights.ts";
export { decodeTensor, decodeWeights } from "./decode.ts";
export { type Binding, type BindingSource, checkBindings } from "./binding.ts";
export { pytorchArchitecture } from "./pytorch-architecture.ts";
export { bindPytorch } from "./pytorch-binding.ts";
