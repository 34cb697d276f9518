import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import type { DeployEnvironment } from "./environments.ts";
import { mustRun, type RunWrangler } from "./wrangler.ts";

/** Secrets that a deployment may have. Both of a group, or neither. */
const OPTIONAL_SECRETS = [
  ["EDGEFUSE_LINK_SECRET"],
  ["EDGEFUSE_S3_ACCESS_KEY_ID", "EDGEFUSE_S3_SECRET_ACCESS_KEY"],
] as const;

const SHORTEST_SECRET = 32;

export interface Deployment {
  /** Such as `production`. */
  readonly name: string;
  readonly environment: DeployEnvironment;
  /** Where secrets come from that are not there yet. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly run: RunWrangler;
  say(line: string): void;
}

/**
 * Deploys an environment: buckets and their rules, migrations, worker. Everything that can be known to be missing is
 * found before the first thing is changed; every step can be repeated.
 * @throws Error in words, where a step failed or a secret is missing
 */
export async function deploy({ name, environment, variables, run, say }: Deployment): Promise<void> {
  const target = ["--env", name];
  say("account");
  await mustRun(run, ["whoami"]);
  say("secrets");
  const secrets = newSecrets(environment.secrets.required, await presentSecrets(run, target), variables);
  for (const { bucket_name: bucket } of environment.r2_buckets) {
    say(`bucket ${bucket}`);
    const { code } = await run(["r2", "bucket", "info", bucket]);
    if (code !== 0) await mustRun(run, ["r2", "bucket", "create", bucket]);
    await mustRun(run, [
      "r2",
      "bucket",
      "lifecycle",
      "set",
      bucket,
      "--file",
      "infra/deploy/lifecycle.json",
      "--force",
    ]);
  }
  for (const { binding } of environment.d1_databases) {
    say(`migrations of ${binding}`);
    await mustRun(run, ["d1", "migrations", "apply", binding, "--remote", ...target]);
  }
  say("worker");
  await withSecretsFile(secrets, (file) =>
    mustRun(run, ["deploy", ...target, ...(file === undefined ? [] : ["--secrets-file", file])]),
  );
}

/** Names of the secrets that the worker has; none where it was never deployed. */
async function presentSecrets(run: RunWrangler, target: readonly string[]): Promise<ReadonlySet<string>> {
  const { code, output } = await run(["secret", "list", "--format", "json", ...target]);
  if (code !== 0) return new Set();
  const list = /\[[\s\S]*\]/.exec(output)?.[0] ?? "[]";
  return new Set(
    z
      .array(z.object({ name: z.string() }))
      .parse(JSON.parse(list))
      .map(({ name }) => name),
  );
}

/**
 * Secrets to be set with this deployment: those that are in our environment.
 * @throws Error where one is required and neither there nor here, where half a pair is, or where one is guessable
 */
export function newSecrets(
  required: readonly string[],
  present: ReadonlySet<string>,
  variables: Deployment["variables"],
): Record<string, string> {
  const values: Record<string, string> = {};
  for (const secret of [...required, ...OPTIONAL_SECRETS.flat()]) {
    const value = variables[secret];
    if (value === undefined || value === "") continue;
    if (value.length < SHORTEST_SECRET && !secret.startsWith("EDGEFUSE_S3_")) {
      throw new Error(`${secret} has fewer than ${SHORTEST_SECRET} characters; \`openssl rand -base64 32\` makes one`);
    }
    values[secret] = value;
  }
  const has = (secret: string) => present.has(secret) || secret in values;
  const missing = required.filter((secret) => !has(secret));
  if (missing.length > 0) {
    throw new Error(
      `the deployment has no ${missing.join(", ")}: set it in the environment of this command once, ` +
        "such as EDGEFUSE_ADMIN_TOKEN=$(openssl rand -base64 32)",
    );
  }
  for (const group of OPTIONAL_SECRETS) {
    const there = group.filter(has);
    if (there.length > 0 && there.length < group.length) throw new Error(`${group.join(" and ")} belong together`);
  }
  return values;
}

/** Hands secrets over in a file that only we can read and that does not stay; command lines are seen by everyone. */
async function withSecretsFile<Result>(
  secrets: Readonly<Record<string, string>>,
  work: (file: string | undefined) => Promise<Result>,
): Promise<Result> {
  if (Object.keys(secrets).length === 0) return work(undefined);
  const file = join(tmpdir(), `edgefuse-${randomUUID()}.json`);
  try {
    await writeFile(file, JSON.stringify(secrets), { mode: 0o600, flag: "wx" });
    return await work(file);
  } finally {
    await rm(file, { force: true });
  }
}
