export { EdgefuseClient, type Filter, isUnderWay, type ModelFile } from "./client.ts";
export type { AliasCondition } from "./client/aliases.ts";
export { ApiError } from "./client/api-error.ts";
export type { ClientOptions } from "./client/connection.ts";
export type { AnswerTo, ProbePicture } from "./client/probes.ts";
export type { UploadFacts } from "./client/upload-facts.ts";
export type { UploadSource } from "./client/uploads.ts";
export { type AliasChange, type AliasDescription, aliasName } from "./aliases.ts";
export {
  type CheckpointDescription,
  type CheckpointSummary,
  type RegisterRequest,
  SAFETENSORS_MEDIA_TYPES,
} from "./checkpoints.ts";
export type { DatasetDescription, PutDatasetRequest, ShardDescription } from "./datasets.ts";
export type { CreateFusionRequest, FusionDescription, FusionPlanDescription, FusionProgress } from "./fusions.ts";
export type { EvaluationForm } from "./evaluation-form.ts";
export type { GateDescription, GateForm, GateLimits, GateMeasures } from "./gates.ts";
export type {
  CreatedJob,
  CreateJobRequest,
  JobDescription,
  JobFile,
  JobOutput,
  JobProgress,
  JobResult,
  JobSummary,
  QueueMetrics,
} from "./jobs.ts";
export type { ModelSummary, ProbeSummary, SweepReport } from "./listing.ts";
export type { ModelManifest } from "./manifest.ts";
export type { Page } from "./paging.ts";
export type {
  CreateProbeRequest,
  MeanProbe,
  PathProbe,
  PendingProbe,
  PlaneProbe,
  ProbeDescription,
  ProbeQuestion,
} from "./probes.ts";
export type { ProblemDocument } from "./problem.ts";
export type { CreateSoupRequest, SoupDescription } from "./soups.ts";
export type { SoupDecision } from "./soup-trace.ts";
export { type CreatedToken, type Scope, SCOPES, type TokenDescription, tokenId } from "./tokens.ts";
export { type UploadDescription, type UploadId, uploadId } from "./uploads.ts";
