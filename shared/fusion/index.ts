export type { FusionEngine } from "./engine.ts";
export { defaultChunkBytes, type FuseOptions, fuseRange, fusionBytes } from "./fuse.ts";
export { type FusionPlan, planFusion, type PlannedInput, type PlannedTensor, RECIPE_KEY } from "./plan.ts";
export { readFusionInput } from "./read-input.ts";
export {
  type AlignmentReport,
  emptyObservations,
  type FusionObservations,
  type FusionReport,
  fusionReport,
  mergeObservations,
} from "./report.ts";
export type { ByteSource, FusionInput } from "./source.ts";
