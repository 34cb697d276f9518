export type { FusionEngine } from "./engine.ts";
export { defaultChunkBytes, fusionBytes } from "./booking.ts";
export { type FuseOptions, fuseRange } from "./fuse.ts";
export { FUSION_METHODS } from "./methods/index.ts";
export type { FusionMethod } from "./methods/method.ts";
export {
  type FusionPlan,
  nominalWeight,
  planFusion,
  type PlannedInput,
  type PlannedTensor,
  RECIPE_KEY,
} from "./plan.ts";
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
export { type ResolvedPlan, resolvePlan } from "./resolved-plan.ts";
export {
  type FusionStatistics,
  gatherStatistics,
  mergeStatistics,
  needsStatistics,
  type StatisticsOptions,
} from "./statistics.ts";
