import type { Context } from "hono";
import * as z from "zod";

/** Bindings and variables of a deployment; `wrangler.toml` declares the bindings. */
export interface Environment {
  /** Bytes: checkpoints, shards, models, probes. */
  readonly BUCKET: R2Bucket;
  /** The catalog. */
  readonly CATALOG: D1Database;
  /** The administrator's bearer token. Without it the deployment accepts nothing but public reads. */
  readonly EDGEFUSE_ADMIN_TOKEN?: string;
  readonly EDGEFUSE_MAX_UPLOAD_BYTES?: string | number;
  readonly EDGEFUSE_MEMORY_BUDGET_BYTES?: string | number;
}

export interface AppEnvironment {
  Bindings: Environment;
}

export type AppContext = Context<AppEnvironment>;

/** Cloudflare takes request bodies up to 100 MB on its Free and Pro plans. */
const DEFAULT_MAX_UPLOAD_BYTES = 100_000_000;

/** An isolate has 128 MB for everything: JS heap, both WASM heaps, code. This is the share for data in flight. */
const DEFAULT_MEMORY_BUDGET_BYTES = 64 * 2 ** 20;

const limits = z.object({
  EDGEFUSE_MAX_UPLOAD_BYTES: z.coerce.number().int().min(1).default(DEFAULT_MAX_UPLOAD_BYTES),
  EDGEFUSE_MEMORY_BUDGET_BYTES: z.coerce
    .number()
    .int()
    .min(16 * 2 ** 20)
    .default(DEFAULT_MEMORY_BUDGET_BYTES),
});

/** Limits of this deployment, in bytes. */
export function limitsOf(environment: Environment): { maxUploadBytes: number; memoryBudgetBytes: number } {
  const parsed = limits.parse(environment);
  return {
    maxUploadBytes: parsed.EDGEFUSE_MAX_UPLOAD_BYTES,
    memoryBudgetBytes: parsed.EDGEFUSE_MEMORY_BUDGET_BYTES,
  };
}
