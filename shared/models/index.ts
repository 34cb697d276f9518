export { type Architecture, architectureSchema, MODEL_KEY, readArchitecture } from "./architecture.ts";
export { buildModel } from "./build.ts";
export { initialWeights } from "./initialize.ts";
export { assignWeights, checkWeights, type Weight, type Weights, type WeightSpec, weightSpecs } from "./weights.ts";
export { decodeWeights } from "./decode.ts";
