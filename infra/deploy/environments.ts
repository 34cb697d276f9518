import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "smol-toml";
import * as z from "zod";

const bindings = z.object({
  r2_buckets: z.array(z.object({ binding: z.string(), bucket_name: z.string() })).default([]),
  d1_databases: z
    .array(
      z.object({
        binding: z.string(),
        database_name: z.string(),
        database_id: z.string(),
        migrations_dir: z.string(),
      }),
    )
    .default([]),
  workflows: z.array(z.object({ binding: z.string(), name: z.string(), class_name: z.string() })).default([]),
});

const environment = bindings.extend({
  workers_dev: z.boolean().default(true),
  routes: z.array(z.object({ pattern: z.string(), custom_domain: z.boolean().default(false) })).default([]),
  secrets: z.object({ required: z.array(z.string()).default([]) }).default({ required: [] }),
});

const configuration = bindings.extend({
  name: z.string(),
  env: z.record(z.string(), environment).default({}),
});

export type Configuration = z.infer<typeof configuration>;
export type DeployEnvironment = z.infer<typeof environment>;

/** The deployments that `wrangler.toml` describes. @throws z.ZodError where it lacks what a deployment needs */
export async function readConfiguration(root: string): Promise<Configuration> {
  return configuration.parse(parse(await readFile(join(root, "wrangler.toml"), "utf8")));
}

export interface Finding {
  /** A placeholder is to be filled in before the first deployment; a mistake would make a wrong one. */
  readonly kind: "placeholder" | "mistake";
  readonly text: string;
}

/** As it is in the repository, since every account has ids of its own. */
const NO_DATABASE = /^0{8}-(0{4}-){3}0{12}$/;
const EXAMPLE_HOST = /(^|\.)example\.(com|org|net)$/;

/**
 * Looks at one environment: whether it has every binding that the worker is developed with, shares none of its stores
 * with another, can be reached, and what is still to be filled in.
 */
export function checkEnvironment(configured: Configuration, name: string): Finding[] {
  const own = configured.env[name];
  if (own === undefined) return [{ kind: "mistake", text: `wrangler.toml has no [env.${name}]` }];
  const findings: Finding[] = [];
  const mistake = (text: string) => findings.push({ kind: "mistake", text });
  const placeholder = (text: string) => findings.push({ kind: "placeholder", text });

  for (const kind of STORE_KINDS) {
    const there = new Set(storesOf(own)[kind].map(({ binding }) => binding));
    for (const { binding } of storesOf(configured)[kind].filter((one) => !there.has(one.binding))) {
      mistake(`[env.${name}] does not bind ${binding} (${kind})`);
    }
  }
  const others = [configured, ...Object.entries(configured.env).flatMap(([other, of]) => (other === name ? [] : [of]))];
  for (const kind of STORE_KINDS) {
    for (const { binding, store } of storesOf(own)[kind]) {
      const isShared = others.some((other) => storesOf(other)[kind].some((one) => one.store === store));
      if (isShared) mistake(`[env.${name}] shares ${binding} = ${store} with another environment`);
    }
  }
  for (const { binding, database_id: id } of own.d1_databases) {
    if (NO_DATABASE.test(id)) placeholder(`the database_id of ${binding}: \`wrangler d1 create\` prints it`);
  }
  for (const { pattern } of own.routes) {
    if (EXAMPLE_HOST.test(pattern.split("/")[0] ?? "")) placeholder(`the host ${pattern}: a domain of your zone`);
  }
  if (!own.workers_dev && own.routes.length === 0) mistake(`[env.${name}] has neither routes nor workers_dev`);
  if (!own.secrets.required.includes("EDGEFUSE_ADMIN_TOKEN")) {
    mistake(`[env.${name}] does not require EDGEFUSE_ADMIN_TOKEN, without which a deployment refuses every write`);
  }
  return findings;
}

interface Store {
  readonly binding: string;
  readonly store: string;
}

const STORE_KINDS = ["buckets", "databases", "workflows"] as const;
type Stores = Readonly<Record<(typeof STORE_KINDS)[number], readonly Store[]>>;

function storesOf({ r2_buckets, d1_databases, workflows }: z.infer<typeof bindings>): Stores {
  return {
    buckets: r2_buckets.map(({ binding, bucket_name: store }) => ({ binding, store })),
    databases: d1_databases.map(({ binding, database_name: store }) => ({ binding, store })),
    workflows: workflows.map(({ binding, name: store }) => ({ binding, store })),
  };
}
