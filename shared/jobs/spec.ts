import * as z from "zod";
import { aliasName } from "../api/aliases.ts";
import { createFusionRequest, visibilitySchema } from "../api/fusions.ts";
import { gateForm } from "../api/gates.ts";
import { createProbeRequest } from "../api/probes.ts";
import { datasetName, digestOfValue } from "../identity.ts";
import { RETRY_REASONS, type JobReason } from "./reasons.ts";
import { experimentOptions, specText, trainOptions } from "./train-options.ts";

/** What agents do, and what the deployment does itself, with Workflows. */
export const AGENT_KINDS = ["train", "experiment"] as const;
export const WORKFLOW_KINDS = ["probe", "fuse", "pipeline"] as const;
export const JOB_KINDS = [...AGENT_KINDS, ...WORKFLOW_KINDS] as const;

export type AgentKind = (typeof AGENT_KINDS)[number];
export type WorkflowKind = (typeof WORKFLOW_KINDS)[number];
export type JobKind = (typeof JOB_KINDS)[number];

export const BACKENDS = ["wasm", "webgpu"] as const;

const HOUR_SECONDS = 3_600;
const WEEK_SECONDS = 7 * 24 * HOUR_SECONDS;

/** What agents and jobs are sorted by: `gpu`, `team-a`, `zone.b`. */
export const jobLabel = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._/-]{0,62}$/i, "1 to 63 of letters, digits, . _ / -, beginning with a letter or digit");

const resources = z
  .strictObject({
    backend: z
      .enum([...BACKENDS, "auto"])
      .default("auto")
      .describe("What computes; `auto` is whatever the agent has"),
    memoryBytes: z.int().min(0).default(0).describe("Memory that the agent has at least"),
    labels: z.array(jobLabel).max(16).default([]).describe("Labels that the agent has, all of them"),
  })
  .meta({ id: "JobResources" });

const retry = z
  .strictObject({
    attempts: z.int().min(1).max(10).default(3).describe("Attempts that count, the first one included"),
    on: z
      .array(z.enum(RETRY_REASONS as [JobReason, ...JobReason[]]))
      .optional()
      .describe("Only for these reasons; for every one that another attempt may mend, where it is left out"),
    exitCodes: z
      .array(z.int().min(1).max(125))
      .max(16)
      .default([])
      .describe("Also where the process exits with one of these. 137 is none: such jobs are most often too large"),
  })
  .meta({ id: "JobRetry" });

/** Which addresses a deployment sends to is its own decision: `worker/jobs/callback-address.ts`. */
const callback = z.url({ protocol: /^https?$/ }).max(2_000);

const common = {
  version: z.literal(1),
  resources: resources.prefault({}),
  timeoutSeconds: z
    .int()
    .min(1)
    .max(WEEK_SECONDS)
    .default(6 * HOUR_SECONDS)
    .describe(
      "That one attempt of an agent may take, or all of a job that the deployment does itself; it is then stopped as if it had been cancelled, and the job fails",
    ),
  queueSeconds: z
    .int()
    .min(1)
    .max(WEEK_SECONDS)
    .default(24 * HOUR_SECONDS)
    .describe("That it may wait for an agent"),
  stopGraceSeconds: z.int().min(1).max(HOUR_SECONDS).default(120).describe("From SIGTERM to SIGKILL"),
  retry: retry.prefault({}),
  labels: z
    .record(z.string().regex(/^[a-z][a-z0-9._-]{0,31}$/i, "up to 32 of letters, digits, . _ -"), specText(200))
    .refine((labels) => Object.keys(labels).length <= 16, "at most 16 labels")
    .default({})
    .describe("For people and lists: repo, sha, pr, run …"),
  commit: z
    .string()
    .regex(/^[0-9a-f]{7,64}$/, "a commit's id in lower-case hex")
    .optional()
    .describe("That it was asked for by"),
  callback: callback.optional().describe("Is sent the job once, by POST, when it has ended; signed"),
} as const;

const { dataset: _dataset, version: _version, ...gateMembers } = gateForm.shape;

/** As a gate of a fusion, on the data of the pipeline. */
const pipelineGate = z.strictObject(gateMembers).meta({ id: "PipelineGate" });

const trainJob = z
  .strictObject({
    ...common,
    kind: z.literal("train"),
    options: trainOptions.default({}).describe("Of `edgefuse train`"),
    member: z.int().min(1).max(10_000).optional().describe("Only this member of the family, from 1"),
  })
  .refine(({ options, member }) => member === undefined || member <= (options.models ?? 2), {
    error: "a member that the family has",
    path: ["member"],
  })
  .meta({ id: "TrainJob" });

const experimentJob = z
  .strictObject({
    ...common,
    kind: z.literal("experiment"),
    experiment: z.literal("lmc").default("lmc"),
    options: experimentOptions.default({}).describe("Of `edgefuse experiment lmc`"),
  })
  .meta({ id: "ExperimentJob" });

const probeJob = z
  .strictObject({ ...common, kind: z.literal("probe"), question: createProbeRequest })
  .meta({ id: "ProbeJob" });

const fuseJob = z
  .strictObject({ ...common, kind: z.literal("fuse"), fusion: createFusionRequest })
  .refine(({ fusion }) => fusion.materialize === "eager", { error: "a job makes the model", path: ["fusion"] })
  .meta({ id: "FuseJob" });

const pipelineJob = z
  .strictObject({
    ...common,
    kind: z.literal("pipeline"),
    train: trainOptions
      .extend({ models: z.int().min(2).max(64).describe("Members; a job of its own trains each") })
      .meta({ id: "PipelineTraining" })
      .describe("Options of `edgefuse train`, of the whole family"),
    fuse: z
      .strictObject({
        method: z.string().min(1).max(64).default("linear"),
        parameters: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])).default({}),
        weights: z.array(z.number()).max(64).optional().describe("Of each member, in order"),
        dtype: z.string().max(16).optional(),
        visibility: visibilitySchema.optional(),
      })
      .prefault({})
      .describe("How the members become one model, as a recipe says it"),
    dataset: datasetName.optional().describe("On which the members and their average are probed, and a gate measures"),
    datasetVersion: z.int().min(1).optional().describe("The latest where it is left out"),
    gate: pipelineGate.optional(),
    alias: aliasName.optional().describe("Points at the model once it has passed"),
  })
  .check(({ value, issues }) => {
    const refuse = (path: string, message: string) =>
      issues.push({ code: "custom", message, path: [path], input: value });
    const { weights } = value.fuse;
    if (weights !== undefined && weights.length !== value.train.models) refuse("fuse", "one weight for each member");
    if (value.dataset === undefined) {
      if (value.gate !== undefined) refuse("dataset", "a gate measures on a dataset");
      if (value.datasetVersion !== undefined) refuse("datasetVersion", "a version belongs to a dataset");
    } else if (value.gate !== undefined) {
      const checked = gateForm.safeParse({ ...value.gate, dataset: value.dataset });
      for (const { message, path } of checked.error?.issues ?? []) refuse(["gate", ...path].join("."), message);
    }
  })
  .meta({ id: "PipelineJob" });

/** What a job is: checked, versioned, with nothing in it that could be run. */
export const jobSpec = z
  .discriminatedUnion("kind", [trainJob, experimentJob, probeJob, fuseJob, pipelineJob])
  .meta({ id: "JobSpec" });

/** As it is written. */
export type JobSpecInput = z.input<typeof jobSpec>;

/** As it is kept, with every default filled in. */
export type JobSpec = z.output<typeof jobSpec>;
export type SpecOf<Kind extends JobKind> = Extract<JobSpec, { kind: Kind }>;

/**
 * Identity of what a job comes to: SHA-256 of the spec's canonical JSON, defaults filled in. Who asked for it, and who
 * is told, is left out: `labels`, `commit`, `callback`.
 */
export function specDigest(spec: JobSpec): string {
  const { labels: _labels, commit: _commit, callback: _callback, ...what } = spec;
  return digestOfValue(what);
}

/** Whether agents do such jobs; the others the deployment does itself. */
export function isAgentKind(kind: JobKind): kind is AgentKind {
  return AGENT_KINDS.some((one) => one === kind);
}
