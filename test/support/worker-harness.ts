import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import type { D1Database, R2Bucket } from "@cloudflare/workers-types";
import { createTestHarness, unstable_readConfig as readConfig } from "wrangler";

/** The worker's bindings, as Node sees them. */
interface Environment {
  readonly BUCKET: R2Bucket;
  readonly CATALOG: D1Database;
}

const root = join(import.meta.dirname, "../..");

export interface WorkerHarness {
  readonly url: string;
  readonly token: string;
  readonly bucketName: string;
  /** Bindings, to look behind the worker's back. */
  readonly environment: Environment;
  /** The AWS SDK on the bucket's local S3 endpoint. */
  readonly s3: S3Client;
  /** A request with the admin token. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Everything that is stored: object keys with sizes, and the rows of the catalog. For "nothing changed". */
  snapshot(): Promise<string>;
  logs(): string;
  close(): Promise<void>;
}

export interface HarnessOptions {
  readonly vars?: Readonly<Record<string, string>>;
  /** False leaves the catalog without tables. */
  readonly migrate?: boolean;
  /** An empty string leaves the deployment without an admin token. */
  readonly token?: string;
}

/** Starts the worker as `wrangler dev` would, with an empty bucket and catalog and credentials made up on the spot. */
export async function startWorker(options: HarnessOptions = {}): Promise<WorkerHarness> {
  const deployed = readConfig({ config: join(root, "wrangler.toml") });
  const { name, main, compatibility_date, compatibility_flags, rules, r2_buckets, d1_databases, workflows } = deployed;
  // Bundled as it is deployed: what leans on names that minifying takes away must fail here.
  const { minify, keep_names } = deployed;
  const token = options.token ?? randomBytes(24).toString("hex");
  const credentials = {
    accessKeyId: randomBytes(12).toString("hex"),
    secretAccessKey: randomBytes(24).toString("hex"),
  };
  const bucketName = r2_buckets[0]?.bucket_name;
  if (bucketName === undefined || main === undefined || name === undefined || compatibility_date === undefined) {
    throw new Error("wrangler.toml is incomplete");
  }
  const harness = createTestHarness({
    root,
    workers: [
      {
        config: {
          name,
          main,
          compatibility_date,
          compatibility_flags,
          minify,
          keep_names,
          rules,
          r2_buckets: r2_buckets.map((bucket: object) => ({
            ...bucket,
            local_dev: { experimental_s3_credentials: credentials },
          })),
          d1_databases,
          workflows,
          vars: { ...(token === "" ? {} : { EDGEFUSE_ADMIN_TOKEN: token }), ...options.vars },
        },
      },
    ],
  });
  const { url } = await harness.listen();
  const worker = harness.getWorker<Environment & Record<string, unknown>>();
  if (options.migrate !== false) await worker.applyD1Migrations("CATALOG");
  const environment = await worker.getEnv();
  const s3 = new S3Client({
    region: "auto",
    endpoint: new URL("/cdn-cgi/local/r2/s3", url).href,
    forcePathStyle: true,
    credentials,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  return {
    url: url.href.replace(/\/$/, ""),
    token,
    bucketName,
    environment,
    s3,
    fetch: (path, init = {}) => {
      const headers = new Headers(init.headers);
      if (!headers.has("authorization")) headers.set("authorization", `Bearer ${token}`);
      return fetch(new URL(path, url), { ...init, headers });
    },
    snapshot: () => snapshotOf(environment),
    logs: () => JSON.stringify(harness.getLogs()),
    close: async () => {
      s3.destroy();
      await harness.close();
    },
  };
}

const TABLES = [
  ...["checkpoints", "shards", "datasets", "models", "fusions", "fusion_parts"],
  ...["probes", "upload_parts", "deletions"],
  ...["gates", "alias_orders", "soups", "soup_evaluations"],
  ...["topologies", "probe_questions", "probe_parts"],
] as const;

async function snapshotOf({ BUCKET, CATALOG }: Environment): Promise<string> {
  const { objects } = await BUCKET.list();
  const rows: Record<string, unknown> = {};
  for (const table of TABLES) rows[table] = (await CATALOG.prepare(`SELECT * FROM ${table}`).all()).results;
  return JSON.stringify({ objects: objects.map(({ key, size, etag }) => [key, size, etag]), rows }, null, 1);
}
