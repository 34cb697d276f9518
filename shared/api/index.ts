export { ApiError, type ClientOptions, EdgefuseClient, type ModelFile } from "./client.ts";
export {
  type CheckpointDescription,
  type CheckpointSummary,
  type RegisterRequest,
  SAFETENSORS_MEDIA_TYPES,
} from "./checkpoints.ts";
export type { DatasetDescription, PutDatasetRequest, ShardDescription } from "./datasets.ts";
export type { CreateFusionRequest, FusionDescription, FusionPlanDescription, FusionProgress } from "./fusions.ts";
export type { Page } from "./paging.ts";
export type { CreateProbeRequest, ProbeDescription, ProbeQuestion } from "./probes.ts";
export type { ProblemDocument } from "./problem.ts";
