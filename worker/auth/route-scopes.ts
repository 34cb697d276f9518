import { Problem } from "../../shared/problem.ts";
import { patternOf } from "../routes/route-table.ts";
import type { Scope } from "./scopes.ts";

/** Who may call a route: anyone, or a principal with one of these scopes. */
export type Requirement = "public" | readonly [Scope, ...Scope[]];

/**
 * Every route and who may call it. A route that is missing here is refused, also to the administrator: whoever adds a
 * route adds its line. HEAD is GET. A public route under /models decides by the model (`requireReadable`).
 */
export const ROUTE_SCOPES: Readonly<Record<string, Requirement>> = {
  "GET /": "public",
  "GET /healthz": "public",
  "GET /openapi.json": "public",
  "GET /docs": "public",
  "GET /docs/problems": "public",

  "GET /models/{model}": "public",
  "GET /models/{id}/barrier.svg": "public",
  "GET /models/{id}/badge.svg": "public",
  "GET /models/{id}/model.safetensors": "public",
  "GET /models/{id}/manifest.json": "public",
  "GET /models/{id}/model.json": "public",
  "GET /models/{id}/weights.bin": "public",
  "GET /models/{id}/model.safetensors.index.json": "public",
  "GET /models/{id}/{shard}": "public",
  "GET /models/{alias}/{file}": "public",
  "GET /models/{namespace}/{name}/{file}": "public",

  // For Hugging Face's clients; these too decide by the model.
  "GET /{namespace}/{name}/resolve/{revision}/{path}": "public",
  "GET /{namespace}/{name}/raw/{revision}/{path}": "public",
  "GET /api/models/{namespace}/{name}": "public",
  "GET /api/models/{namespace}/{name}/revision/{revision}": "public",
  "GET /api/models/{namespace}/{name}/tree/{revision}": "public",
  "GET /api/models/{namespace}/{name}/tree/{revision}/{path}": "public",
  "POST /api/models/{namespace}/{name}/paths-info/{revision}": "public",
  "GET /{name}/resolve/{revision}/{path}": "public",
  "GET /{name}/raw/{revision}/{path}": "public",
  "GET /api/models/{name}": "public",
  "GET /api/models/{name}/revision/{revision}": "public",
  "GET /api/models/{name}/tree/{revision}": "public",
  "GET /api/models/{name}/tree/{revision}/{path}": "public",
  "POST /api/models/{name}/paths-info/{revision}": "public",

  "POST /v1/checkpoints": ["write"],
  "GET /v1/checkpoints": ["read"],
  "GET /v1/checkpoints/{id}": ["read"],
  "GET /v1/checkpoints/{id}/model.safetensors": ["read"],
  "DELETE /v1/checkpoints/{id}": ["write"],

  "POST /v1/uploads": ["write"],
  "GET /v1/uploads/{id}": ["write"],
  "PUT /v1/uploads/{id}/parts/{number}": ["write"],
  "POST /v1/uploads/{id}/complete": ["write"],
  "DELETE /v1/uploads/{id}": ["write"],

  "POST /v1/shards": ["write"],
  "GET /v1/shards": ["read"],
  "DELETE /v1/shards/{id}": ["write"],
  "GET /v1/shards/{id}": ["read"],
  "GET /v1/shards/{id}/shard.safetensors": ["read"],

  "GET /v1/datasets": ["read"],
  "PUT /v1/datasets/{name}": ["write"],
  "GET /v1/datasets/{name}": ["read"],
  "DELETE /v1/datasets/{name}": ["write"],

  "POST /v1/topologies": ["write"],
  "GET /v1/topologies": ["read"],
  "GET /v1/topologies/{id}": ["read"],
  "DELETE /v1/topologies/{id}": ["write"],

  "POST /v1/fuse": ["fuse"],
  "POST /v1/fusions": ["fuse"],
  "GET /v1/fusions": ["read"],
  "POST /v1/fusions/plan": ["fuse"],
  // Who may order a fusion may see it through.
  "GET /v1/fusions/{id}": ["read", "fuse"],
  "GET /v1/fusions/{id}/plan": ["read", "fuse"],
  "GET /v1/fusions/{id}/events": ["read", "fuse"],
  "DELETE /v1/fusions/{id}": ["fuse"],

  "GET /v1/models": ["read"],
  "DELETE /v1/models/{id}": ["fuse"],
  "POST /v1/models/{id}/links": ["read"],

  "POST /v1/probes": ["probe"],
  "GET /v1/probes": ["read"],
  "DELETE /v1/probes/{id}": ["probe"],
  "GET /v1/probes/{id}": ["read", "probe"],
  "GET /v1/probes/{id}/barrier.svg": ["read", "probe"],
  "GET /v1/probes/{id}/plane.svg": ["read", "probe"],
  "GET /v1/probes/{id}/matrix.svg": ["read", "probe"],
  "GET /v1/probes/{id}/badge.svg": ["read", "probe"],

  // Who ordered a gated fusion, or moves an alias, may see the verdict.
  "GET /v1/gates": ["read"],
  "GET /v1/gates/{id}": ["read", "fuse", "publish"],

  "POST /v1/soups": ["fuse"],
  "GET /v1/soups": ["read"],
  "GET /v1/soups/{id}": ["read", "fuse"],

  "GET /v1/aliases": ["read", "publish"],
  "GET /v1/aliases/{name}": ["read", "publish"],
  "GET /v1/aliases/{name}/history": ["read", "publish"],
  "PUT /v1/aliases/{name}": ["publish"],
  "DELETE /v1/aliases/{name}": ["publish"],
  "POST /v1/aliases/{name}/rollback": ["publish"],

  "POST /v1/jobs": ["jobs"],
  "GET /v1/jobs": ["jobs", "read"],
  "GET /v1/jobs/{id}": ["jobs", "read"],
  "DELETE /v1/jobs/{id}": ["jobs"],
  "GET /v1/jobs/{id}/log": ["jobs", "read"],
  "GET /v1/jobs/{id}/events": ["jobs", "read"],
  "GET /v1/queue": ["jobs", "read", "agent"],
  // These take the lease of the job as well.
  "POST /v1/jobs/claim": ["agent"],
  "POST /v1/jobs/{id}/heartbeat": ["agent"],
  "POST /v1/jobs/{id}/log": ["agent"],
  "PUT /v1/jobs/{id}/files/{name}": ["agent"],
  // Without a lease it takes `jobs` or `read`.
  "GET /v1/jobs/{id}/files/{name}": ["agent", "jobs", "read"],
  "POST /v1/jobs/{id}/outputs": ["agent"],
  "POST /v1/jobs/{id}/complete": ["agent"],

  "POST /v1/sweep": ["admin"],

  "POST /v1/tokens": ["admin"],
  "GET /v1/tokens": ["admin"],
  "DELETE /v1/tokens/{id}": ["admin"],
};

interface Entry {
  readonly method: string;
  readonly pattern: RegExp;
  readonly requirement: Requirement;
}

/**
 * What a request must bring. Where an address fits several routes, each of them must let it pass, so it does not matter
 * which one answers.
 * @throws Problem `forbidden` where the table does not know the route
 */
export function requirementsOf(method: string, path: string, entries = TABLE): readonly Requirement[] {
  const asked = method === "HEAD" ? "GET" : method;
  const found = entries.filter((entry) => entry.method === asked && entry.pattern.test(path));
  if (found.length === 0) {
    throw new Problem("forbidden", "No scope is laid down for this route, so nobody may call it.");
  }
  return found.map(({ requirement }) => requirement);
}

/** Compiles a table like {@link ROUTE_SCOPES}. */
export function compileRoutes(table: Readonly<Record<string, Requirement>>): readonly Entry[] {
  return Object.entries(table).map(([route, requirement]) => {
    const [method = "", path = ""] = route.split(" ");
    return { method, pattern: patternOf(path), requirement };
  });
}

const TABLE = compileRoutes(ROUTE_SCOPES);
