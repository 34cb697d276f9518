import * as z from "zod";
import { checkpointId, modelId, probeId } from "../identity.ts";
import { jobId } from "../jobs/job-id.ts";
import { AGENT_REASONS, JOB_REASONS, JOB_STATES } from "../jobs/reasons.ts";
import { AGENT_KINDS, BACKENDS, JOB_KINDS, jobLabel, jobSpec, type JobSpec } from "../jobs/spec.ts";
import { aliasName } from "./aliases.ts";
import { gateDescription } from "./gates.ts";
import { pageOf, pageQuery } from "./paging.ts";
import { problemSchema } from "./problem.ts";

/** Header field in which an agent shows that it has a job. */
export const LEASE_FIELD = "edgefuse-lease";

/** Seconds between two heartbeats, and how many may be missed. */
export const HEARTBEAT_SECONDS = 30;
export const HEARTBEAT_PATIENCE = 2;

/** Bytes of a job's log in all, and of one chunk. */
export const MOST_LOG_BYTES = 8 * 2 ** 20;
export const MOST_LOG_CHUNK_BYTES = 64 * 2 ** 10;

/** Files an attempt may keep for the next one. */
export const MOST_JOB_FILES = 128;

/** Name of a file of an attempt: no folders. A dot in front hides it, as the trainer's states are hidden. */
export const jobFileName = z
  .string()
  .regex(/^\.?[A-Za-z0-9][A-Za-z0-9._-]{0,119}$/, "letters, digits, . _ -; at most one dot in front")
  .refine((name) => !name.includes(".."), "no two dots in a row")
  .brand<"JobFileName">();

export type JobFileName = z.infer<typeof jobFileName>;

export const jobState = z.enum(JOB_STATES);
export const jobReason = z.enum(JOB_REASONS);

/** A job to be done. */
export const createJobRequest = z
  .strictObject({
    spec: jobSpec,
    deduplicate: z
      .boolean()
      .default(false)
      .describe("Answers a job of the same spec that is under way or has succeeded, instead of making another"),
  })
  .meta({ id: "CreateJobRequest" });

const text = (most: number) => z.string().max(most);

/** How far a job is, as its process says. */
export const jobProgress = z
  .strictObject({
    done: z.number().min(0).optional(),
    total: z.number().min(0).optional(),
    unit: text(32).optional().describe("Of both: steps, epochs, members …"),
    metrics: z
      .record(z.string().max(64), z.number())
      .refine((metrics) => Object.keys(metrics).length <= 32, "at most 32 metrics")
      .optional(),
    note: text(500).optional(),
  })
  .meta({ id: "JobProgress" });

/** A file that an attempt has left. */
export const jobFile = z
  .object({ name: jobFileName, bytes: z.int(), sha256: z.string(), attempt: z.int() })
  .meta({ id: "JobFile" });

/** A checkpoint that a job made. */
export const jobOutput = z
  .object({ checkpoint: checkpointId, name: z.string().nullable(), bytes: z.int(), attempt: z.int() })
  .meta({ id: "JobOutput" });

/** What came of a job that the deployment did itself. */
export const jobResult = z
  .object({
    members: z.array(checkpointId).describe("Checkpoints of a pipeline's members, in order"),
    model: modelId.nullable(),
    probe: probeId.nullable(),
    gate: gateDescription.nullable(),
    alias: z.object({ name: aliasName, version: z.int(), model: modelId }).nullable(),
    problem: problemSchema.nullable().describe("Why it failed, where a request for the same would have failed so"),
  })
  .meta({ id: "JobResult" });

/** A change of a job, as its history has it. */
export const jobChange = z
  .object({
    number: z.int().describe("From 1, without gaps"),
    at: z.string(),
    state: jobState,
    attempt: z.int(),
    reason: jobReason.nullable(),
    agent: z.string().nullable(),
    message: z.string().nullable(),
  })
  .meta({ id: "JobChange" });

const described = {
  id: jobId,
  kind: z.enum(JOB_KINDS),
  state: jobState,
  reason: jobReason.nullable().describe("Why it ended; of a queued job that was tried, why the last attempt did"),
  exitCode: z.int().nullable().describe("Of the process, where one ended"),
  message: z.string().nullable(),
  cancelRequested: z.boolean().describe("Whoever has it is told with the next heartbeat"),
  attempt: z.int().describe("Attempts begun"),
  failures: z.int().describe("Attempts that failed and count"),
  agent: z.string().nullable().describe("Who has it, or had it last"),
  parent: jobId.nullable(),
  member: z.int().nullable().describe("Which member of its parent's family it trains"),
  labels: z.record(z.string(), z.string()),
  commit: z.string().nullable(),
  specDigest: z.string(),
  progress: jobProgress.nullable(),
  logBytes: z.int(),
  createdAt: z.string(),
  createdBy: z.string(),
  startedAt: z.string().nullable().describe("Of the last attempt"),
  finishedAt: z.string().nullable(),
} as const;

/** A job in a list. */
export const jobSummary = z.object(described).meta({ id: "JobSummary" });

/** A job: what it is, how far it is, what came of it. */
export const jobDescription = z
  .object({
    ...described,
    spec: jobSpec,
    outputs: z.array(jobOutput),
    files: z.array(jobFile).describe("What the next attempt would find; of each name the newest"),
    result: jobResult.nullable().describe("Of a probe, a fusion or a pipeline"),
    children: z.array(jobSummary).describe("Jobs that are part of it, by member"),
    callback: z
      .object({ state: z.enum(["pending", "sent", "failed"]), status: z.int().nullable(), at: z.string().nullable() })
      .nullable(),
    queue: z.object({ notBefore: z.string(), until: z.string() }).nullable().describe("While it is queued"),
    links: z.object({ self: z.string(), log: z.string(), events: z.string(), parent: z.string().nullable() }),
  })
  .meta({ id: "Job" });

/** What is answered to who posts a job. */
export const createdJob = jobDescription
  .extend({
    callbackKey: z
      .string()
      .nullable()
      .describe(
        "Base64url; HMAC-SHA256 with it over the body of the callback is in `edgefuse-signature`. Null where there is no callback, or the job was there already",
      ),
  })
  .meta({ id: "CreatedJob" });

export const jobPage = pageOf(jobSummary).meta({ id: "JobPage" });

/** Query of the list of jobs. */
export const jobQuery = pageQuery.extend({
  state: jobState.optional(),
  kind: z.enum(JOB_KINDS).optional(),
  label: z
    .string()
    .regex(/^[^=]{1,32}=.{1,200}$/, "NAME=VALUE")
    .optional()
    .describe("Only jobs with this label, such as `pr=12`"),
  parent: jobId.optional(),
});

/** An agent, and what it can do. */
export const claimRequest = z
  .strictObject({
    agent: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/, "1 to 100 of letters, digits, . _ : -")
      .describe("Its name, one that no other agent has"),
    capabilities: z.strictObject({
      kinds: z
        .array(z.enum(AGENT_KINDS))
        .min(1)
        .max(AGENT_KINDS.length)
        .default([...AGENT_KINDS]),
      backends: z.array(z.enum(BACKENDS)).min(1).max(BACKENDS.length),
      memoryBytes: z.int().min(0),
      labels: z.array(jobLabel).max(32).default([]),
    }),
  })
  .meta({ id: "ClaimRequest" });

/** A job that an agent has from now on, and what it takes to go on with it. */
export const claimedJob = z
  .object({
    job: z.object({
      id: jobId,
      kind: z.enum(AGENT_KINDS),
      spec: jobSpec,
      attempt: z.int(),
      parent: jobId.nullable(),
      createdAt: z.string(),
    }),
    lease: z.object({
      token: z.string().describe(`Goes in the header field ${LEASE_FIELD}; shown this once`),
      attempt: z.int(),
      expiresAt: z.string().describe("Each heartbeat moves it on"),
      heartbeatSeconds: z.number(),
      deadlineAt: z.string().describe("When the attempt is stopped; before that, the deployment says cancel"),
    }),
    resume: z.object({ files: z.array(jobFile) }).describe("What earlier attempts left: of each name the newest"),
  })
  .meta({ id: "ClaimedJob" });

export const heartbeatRequest = z.strictObject({ progress: jobProgress.optional() }).meta({ id: "HeartbeatRequest" });

export const heartbeatAnswer = z
  .object({
    cancel: z.boolean().describe("Stop: SIGTERM, keep the state, complete"),
    reason: z.enum(["cancelled", "parent-ended", "timed-out"]).nullable().describe("Why"),
    expiresAt: z.string(),
  })
  .meta({ id: "HeartbeatAnswer" });

/** Query of a chunk of the log: where it begins in what this attempt has sent. */
export const logWriteQuery = z.object({ offset: z.coerce.number().int().min(0) });

export const logWriteAnswer = z
  .object({
    next: z.int().describe("Where the next chunk begins"),
    truncated: z.boolean().describe("The log is full; what comes is thrown away"),
  })
  .meta({ id: "LogWriteAnswer" });

/** Query of the log: where to begin, in bytes of the whole log. */
export const logReadQuery = z.object({ offset: z.coerce.number().int().min(0).default(0) });

/** A checkpoint that is registered already, as an output. */
export const knownOutput = z
  .strictObject({ checkpoint: checkpointId, name: z.string().max(200).optional() })
  .meta({ id: "KnownOutput" });

/** How an attempt ended. */
export const completeRequest = z
  .strictObject({
    exitCode: z.int().min(0).max(255).describe("Of the process; 128 + n where signal n ended it"),
    reason: z.enum(AGENT_REASONS).optional().describe("Where the exit code does not say it"),
    outputs: z.array(checkpointId).max(20_000).default([]).describe("Of those posted to `outputs`, those that count"),
    message: z.string().max(2_000).optional().describe("One line, for people"),
  })
  .meta({ id: "CompleteRequest" });

/** Query of the metrics: of which agents. */
export const queueQuery = z.object({
  label: z
    .union([jobLabel, z.array(jobLabel).max(32)])
    .optional()
    .describe("Labels of a kind of agent, repeated for several: only what such agents could do is counted"),
  backend: z.enum(BACKENDS).optional().describe("Likewise, its backend"),
});

/** How much waits for agents; for autoscalers. */
export const queueMetrics = z
  .object({
    queued: z.int().describe("Jobs that wait for an agent"),
    running: z.int().describe("Jobs that agents have"),
    agents: z.int().describe("Agents that have asked for work or shown signs of life in the last five minutes"),
    oldestQueuedSeconds: z.number(),
  })
  .meta({ id: "QueueMetrics" });

export type CreateJobRequest = z.input<typeof createJobRequest>;
/** As it is taken, defaults filled in. */
export type ParsedCreateJob = z.output<typeof createJobRequest>;
export type JobProgress = z.infer<typeof jobProgress>;
export type JobFile = z.infer<typeof jobFile>;
export type JobOutput = z.infer<typeof jobOutput>;
export type JobResult = z.infer<typeof jobResult>;
export type JobChange = z.infer<typeof jobChange>;
export type JobSummary = z.infer<typeof jobSummary>;
export type JobDescription = Omit<z.infer<typeof jobDescription>, "spec"> & { readonly spec: JobSpec };
export type CreatedJob = JobDescription & Pick<z.infer<typeof createdJob>, "callbackKey">;
export type JobQuery = z.output<typeof jobQuery>;
export type ClaimRequest = z.input<typeof claimRequest>;
export type ParsedClaim = z.output<typeof claimRequest>;
export type ClaimedJob = z.infer<typeof claimedJob>;
export type HeartbeatRequest = z.infer<typeof heartbeatRequest>;
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;
export type LogWriteAnswer = z.infer<typeof logWriteAnswer>;
export type CompleteRequest = z.input<typeof completeRequest>;
export type QueueQuery = z.output<typeof queueQuery>;
export type QueueMetrics = z.infer<typeof queueMetrics>;
