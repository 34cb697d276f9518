import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parse } from "smol-toml";

/** How the trainer reaches local object storage: R2 under `wrangler dev` speaks S3 at this address. */
export interface S3Access {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export const PROJECT_ROOT = resolve(import.meta.dirname, "../..");

interface WranglerConfig {
  main: string;
  r2_buckets: { binding: string; bucket_name: string; local_dev?: unknown }[];
  d1_databases: { binding: string; database_name: string; migrations_dir: string }[];
  env?: unknown;
}

/** Reads `wrangler.toml` with its paths made absolute, so that a copy of it can lie elsewhere. */
export async function readWranglerConfig(): Promise<WranglerConfig> {
  // Deployments' environments are no concern of this machine.
  const { env: _env, ...config } = parse(
    await readFile(join(PROJECT_ROOT, "wrangler.toml"), "utf8"),
  ) as unknown as WranglerConfig;
  return {
    ...config,
    main: join(PROJECT_ROOT, config.main),
    d1_databases: config.d1_databases.map((database) => ({
      ...database,
      migrations_dir: join(PROJECT_ROOT, database.migrations_dir),
    })),
  };
}

/**
 * Writes the configuration of a local worker into `stateDirectory`: `wrangler.toml` plus S3 credentials for its
 * buckets. The credentials are drawn here and open nothing but this machine's loopback; they are kept from others by
 * the file's mode and never committed.
 * @returns the file, and the credentials with the bucket's name
 */
export async function writeLocalConfig(
  stateDirectory: string,
): Promise<{ file: string; database: string; s3: Omit<S3Access, "endpoint"> }> {
  const config = await readWranglerConfig();
  const [bucket] = config.r2_buckets;
  const [database] = config.d1_databases;
  if (bucket === undefined || database === undefined) throw new Error("wrangler.toml binds no bucket or no database");
  const credentials = {
    accessKeyId: randomBytes(16).toString("hex"),
    secretAccessKey: randomBytes(32).toString("hex"),
  };
  bucket.local_dev = { experimental_s3_credentials: credentials };

  await mkdir(stateDirectory, { recursive: true });
  const file = join(stateDirectory, "wrangler.json");
  await writeFile(file, JSON.stringify(config, undefined, 2), { mode: 0o600 });
  await chmod(file, 0o600);
  return { file, database: database.database_name, s3: { bucket: bucket.bucket_name, ...credentials } };
}
