import type { Context } from "hono";
import * as z from "zod";
import { SHARD_BYTES } from "../shared/fusion/output-shards.ts";
import { HEARTBEAT_SECONDS } from "../shared/api/jobs.ts";
import type { GateId, ModelId, ProbeId, SoupId } from "../shared/identity.ts";
import type { JobId } from "../shared/jobs/job-id.ts";
import type { Problem } from "../shared/problem.ts";
import type { Principal } from "./auth/principal.ts";

/** Bindings and variables of a deployment; `wrangler.toml` declares the bindings. */
export interface Environment {
  /** Bytes: checkpoints, shards, models, probes. */
  readonly BUCKET: R2Bucket;
  /** The catalog. */
  readonly CATALOG: D1Database;
  /** Makes what is too large for one request. */
  readonly FUSE_WORKFLOW: Workflow<FuseParameters>;
  /** Answers probes that nobody waits for. */
  readonly PROBE_WORKFLOW: Workflow<ProbeParameters>;
  /** Measures models that wait at a gate. */
  readonly GATE_WORKFLOW: Workflow<GateParameters>;
  /** Searches for soups. */
  readonly SOUP_WORKFLOW: Workflow<SoupParameters>;
  /** Does the jobs that take no agent: probes, fusions, pipelines. */
  readonly JOB_WORKFLOW: Workflow<JobParameters>;
  /** The administrator's bearer token. Without it the deployment accepts nothing but public reads. */
  readonly EDGEFUSE_ADMIN_TOKEN?: string;
  /** Signs links; where it is left out, a key derived from the admin token does. Changing it ends every link. */
  readonly EDGEFUSE_LINK_SECRET?: string;
  /** Whose OpenID Connect tokens are accepted, and for what: JSON, see auth/oidc-rules.ts. */
  readonly EDGEFUSE_OIDC_RULES?: unknown;
  /** Requests a minute of one principal, in one isolate. */
  readonly EDGEFUSE_RATE_LIMIT?: string | number;
  /** Of these, requests that write. */
  readonly EDGEFUSE_WRITE_RATE_LIMIT?: string | number;
  /** Counts across the isolates of one location, where it is bound. */
  readonly RATE_LIMITER?: RateLimit;
  /** How S3 clients reach the bucket; with all four, uploads get presigned URLs for their parts. */
  readonly EDGEFUSE_S3_ENDPOINT?: string;
  readonly EDGEFUSE_S3_BUCKET?: string;
  readonly EDGEFUSE_S3_ACCESS_KEY_ID?: string;
  readonly EDGEFUSE_S3_SECRET_ACCESS_KEY?: string;
  readonly EDGEFUSE_MAX_UPLOAD_BYTES?: string | number;
  readonly EDGEFUSE_MEMORY_BUDGET_BYTES?: string | number;
  /** Up to so many bytes of input are fused within the request. */
  readonly EDGEFUSE_INLINE_BYTES?: string | number;
  /** Up to so many floating-point operations, by a coarse estimate, a probe is answered within the request. */
  readonly EDGEFUSE_INLINE_PROBE_OPERATIONS?: string | number;
  /** Tensors of a published shard have at most so many bytes. */
  readonly EDGEFUSE_SHARD_BYTES?: string | number;
  /** A running fusion that has shown no sign of life for so long is taken over. */
  readonly EDGEFUSE_STALL_SECONDS?: string | number;
  /** Between two signs of life of an agent; one that misses two has lost its job. */
  readonly EDGEFUSE_HEARTBEAT_SECONDS?: string | number;
  /** `local` lets callbacks go to this machine and to plain HTTP: for development. */
  readonly EDGEFUSE_CALLBACKS?: string;
}

/** What a job's Workflow is started with; everything else is in the catalog. */
export interface JobParameters {
  readonly id: JobId;
  readonly attempt: number;
  /** SHA-256 of the token of a lease that nobody else knows. */
  readonly lease: string;
}

/** What a fuse Workflow is started with; everything else is in the catalog. */
export interface FuseParameters {
  readonly id: ModelId;
  readonly attempt: number;
}

/** What a probe Workflow is started with; everything else is in the catalog. */
export interface ProbeParameters {
  readonly id: ProbeId;
  readonly attempt: number;
}

/** What a gate Workflow is started with; everything else is in the catalog. */
export interface GateParameters {
  readonly id: GateId;
  readonly attempt: number;
}

/** Likewise of a soup. */
export interface SoupParameters {
  readonly id: SoupId;
  readonly attempt: number;
}

export interface AppEnvironment {
  Bindings: Environment;
  Variables: {
    /** Set by logging/log-requests.ts: what the caller, the log and the problem document call this request. */
    requestId: string;
    /** Set by auth/authenticate.ts before any route runs. */
    principal: Principal;
    /** On public routes: why what was presented proves nothing. */
    refusal?: Problem;
  };
}

export type AppContext = Context<AppEnvironment>;

/** Cloudflare takes request bodies up to 100 MB on its Free and Pro plans. */
const DEFAULT_MAX_UPLOAD_BYTES = 100_000_000;

/** An isolate has 128 MB for everything: JS heap, both WASM heaps, code. This is the share for data in flight. */
const DEFAULT_MEMORY_BUDGET_BYTES = 64 * 2 ** 20;

/** Within what a request comes to, on a busy edge, before its client's patience ends. */
const DEFAULT_INLINE_BYTES = 64 * 2 ** 20;

/** A few seconds of an isolate's CPU: its forward passes come to some 10^10 operations a second. */
const DEFAULT_INLINE_PROBE_OPERATIONS = 5e10;

/** Longer than any part takes, also of 64 inputs. */
const DEFAULT_STALL_SECONDS = 60;

/** Far more than a person or a CI job needs, and far less than a loop without a pause sends. */
const DEFAULT_RATE_LIMIT = 600;
const DEFAULT_WRITE_RATE_LIMIT = 300;

const limits = z.object({
  EDGEFUSE_MAX_UPLOAD_BYTES: z.coerce.number().int().min(1).default(DEFAULT_MAX_UPLOAD_BYTES),
  EDGEFUSE_MEMORY_BUDGET_BYTES: z.coerce
    .number()
    .int()
    .min(16 * 2 ** 20)
    .default(DEFAULT_MEMORY_BUDGET_BYTES),
  EDGEFUSE_INLINE_BYTES: z.coerce.number().int().min(0).default(DEFAULT_INLINE_BYTES),
  EDGEFUSE_INLINE_PROBE_OPERATIONS: z.coerce.number().min(0).default(DEFAULT_INLINE_PROBE_OPERATIONS),
  EDGEFUSE_SHARD_BYTES: z.coerce.number().int().min(1).default(SHARD_BYTES),
  EDGEFUSE_RATE_LIMIT: z.coerce.number().int().min(1).default(DEFAULT_RATE_LIMIT),
  EDGEFUSE_WRITE_RATE_LIMIT: z.coerce.number().int().min(1).default(DEFAULT_WRITE_RATE_LIMIT),
  EDGEFUSE_STALL_SECONDS: z.coerce.number().min(1).default(DEFAULT_STALL_SECONDS),
  EDGEFUSE_HEARTBEAT_SECONDS: z.coerce.number().min(0.1).max(3600).default(HEARTBEAT_SECONDS),
});

export interface Limits {
  readonly maxUploadBytes: number;
  readonly memoryBudgetBytes: number;
  readonly inlineBytes: number;
  readonly inlineProbeOperations: number;
  readonly shardBytes: number;
  readonly stallSeconds: number;
  readonly heartbeatSeconds: number;
  readonly requestsPerMinute: number;
  readonly writesPerMinute: number;
}

/** Limits of this deployment. */
export function limitsOf(environment: Environment): Limits {
  const parsed = limits.parse(environment);
  return {
    maxUploadBytes: parsed.EDGEFUSE_MAX_UPLOAD_BYTES,
    memoryBudgetBytes: parsed.EDGEFUSE_MEMORY_BUDGET_BYTES,
    inlineBytes: parsed.EDGEFUSE_INLINE_BYTES,
    inlineProbeOperations: parsed.EDGEFUSE_INLINE_PROBE_OPERATIONS,
    shardBytes: parsed.EDGEFUSE_SHARD_BYTES,
    stallSeconds: parsed.EDGEFUSE_STALL_SECONDS,
    heartbeatSeconds: parsed.EDGEFUSE_HEARTBEAT_SECONDS,
    requestsPerMinute: parsed.EDGEFUSE_RATE_LIMIT,
    writesPerMinute: parsed.EDGEFUSE_WRITE_RATE_LIMIT,
  };
}
