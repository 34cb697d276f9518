import { linearModel } from "./checkpoint-files.ts";
import { jsonOf } from "./conformance-world.ts";
import {
  type RouteCase,
  octets,
  reading,
  deleting,
  pathsInfo,
  recipeOf,
  beginUpload,
  queueFusion,
  freshModelJson,
  freshTopology,
  freshGate,
  soupRequest,
  trainSpec,
  freshJob,
  leasedJob,
  claimBody,
  keptFile,
} from "./route-requests.ts";

/** Every route of the API, as the OpenAPI document names it. */
export const ROUTE_CASES: Readonly<Record<string, RouteCase>> = {
  "GET /": reading("public", () => "/"),
  "GET /healthz": reading("public", () => "/healthz"),

  "POST /v1/checkpoints": {
    needs: ["write"],
    status: 201,
    request: ({ freshFile }) => ({ path: "/v1/checkpoints", ...octets("POST", freshFile()) }),
  },
  "GET /v1/checkpoints": reading(["read"], () => "/v1/checkpoints"),
  "GET /v1/checkpoints/{id}": reading(["read"], ({ checkpoint }) => `/v1/checkpoints/${checkpoint}`),
  "GET /v1/checkpoints/{id}/model.safetensors": reading(
    ["read"],
    ({ checkpoint }) => `/v1/checkpoints/${checkpoint}/model.safetensors`,
  ),
  "DELETE /v1/checkpoints/{id}": deleting(["write"], 204, async ({ freshCheckpoint }) => ({
    path: `/v1/checkpoints/${await freshCheckpoint()}`,
  })),

  "POST /v1/uploads": {
    needs: ["write"],
    status: 201,
    request: () => ({ path: "/v1/uploads", ...jsonOf("POST", { bytes: 1000 }) }),
  },
  "GET /v1/uploads/{id}": {
    needs: ["write"],
    status: 200,
    request: async (world) => ({ path: (await beginUpload(world)).self }),
  },
  "PUT /v1/uploads/{id}/parts/{number}": {
    needs: ["write"],
    status: 200,
    request: async (world) => {
      const { file, self } = await beginUpload(world);
      return { path: `${self}/parts/1`, ...octets("PUT", file) };
    },
  },
  "POST /v1/uploads/{id}/complete": {
    needs: ["write"],
    status: 201,
    request: async (world) => {
      const { file, self } = await beginUpload(world);
      await world.worker.fetch(`${self}/parts/1`, octets("PUT", file));
      return { path: `${self}/complete`, ...jsonOf("POST", {}) };
    },
  },
  "DELETE /v1/uploads/{id}": deleting(["write"], 204, async (world) => ({ path: (await beginUpload(world)).self })),

  "POST /v1/shards": {
    needs: ["write"],
    status: 201,
    request: ({ freshShardFile }) => ({ path: "/v1/shards", ...octets("POST", freshShardFile()) }),
  },
  "GET /v1/shards": reading(["read"], () => "/v1/shards"),
  "GET /v1/shards/{id}": reading(["read"], ({ shard }) => `/v1/shards/${shard}`),
  "GET /v1/shards/{id}/shard.safetensors": reading(["read"], ({ shard }) => `/v1/shards/${shard}/shard.safetensors`),
  "DELETE /v1/shards/{id}": deleting(["write"], 204, async ({ client, freshShardFile }) => ({
    path: `/v1/shards/${(await client.uploadShard(freshShardFile())).id}`,
  })),

  "GET /v1/datasets": reading(["read"], () => "/v1/datasets"),
  "GET /v1/datasets/{name}": reading(["read"], () => "/v1/datasets/tiny"),
  "PUT /v1/datasets/{name}": {
    needs: ["write"],
    status: 201,
    request: ({ shard }) => ({
      path: `/v1/datasets/fresh-${crypto.randomUUID()}`,
      ...jsonOf("PUT", { shards: [shard] }),
    }),
  },
  "DELETE /v1/datasets/{name}": deleting(["write"], 204, async ({ client, shard }) => {
    const name = `fresh-${crypto.randomUUID()}`;
    await client.putDataset(name, { shards: [shard] });
    return { path: `/v1/datasets/${name}` };
  }),

  "POST /v1/topologies": {
    needs: ["write"],
    status: 201,
    request: () => ({ path: "/v1/topologies", ...jsonOf("POST", freshModelJson()) }),
  },
  "GET /v1/topologies": reading(["read"], () => "/v1/topologies"),
  "GET /v1/topologies/{id}": {
    needs: ["read"],
    status: 200,
    request: async (world) => ({ path: await freshTopology(world) }),
  },
  "DELETE /v1/topologies/{id}": deleting(["write"], 204, async (world) => ({ path: await freshTopology(world) })),

  "POST /v1/fuse": {
    needs: ["fuse"],
    status: 200,
    request: () => {
      const body = new FormData();
      for (const first of [1, 2]) body.append("file", new Blob([linearModel([first, 2, 3, 4, 5, 6, 7, 8], [1, 0])]));
      return { path: "/v1/fuse", method: "POST", body };
    },
  },
  "POST /v1/fusions": {
    needs: ["fuse"],
    status: 201,
    request: async ({ checkpoint, freshCheckpoint }) => ({
      path: "/v1/fusions",
      ...jsonOf("POST", { recipe: recipeOf(checkpoint, await freshCheckpoint()) }),
    }),
  },
  "POST /v1/fusions/plan": {
    needs: ["fuse"],
    status: 200,
    request: ({ checkpoint }) => ({ path: "/v1/fusions/plan", ...jsonOf("POST", { recipe: recipeOf(checkpoint) }) }),
  },
  "GET /v1/fusions": reading(["read"], () => "/v1/fusions"),
  "GET /v1/fusions/{id}": reading(["read", "fuse"], ({ plain }) => `/v1/fusions/${plain}`),
  "GET /v1/fusions/{id}/plan": reading(["read", "fuse"], ({ plain }) => `/v1/fusions/${plain}/plan`),
  "GET /v1/fusions/{id}/events": reading(["read", "fuse"], ({ plain }) => `/v1/fusions/${plain}/events`),
  "DELETE /v1/fusions/{id}": deleting(["fuse"], 200, async (world) => ({
    path: `/v1/fusions/${await queueFusion(world)}`,
  })),

  "GET /v1/models": reading(["read"], () => "/v1/models"),
  "DELETE /v1/models/{id}": deleting(["fuse"], 204, async ({ freshModel }) => ({
    path: `/v1/models/${await freshModel()}`,
  })),
  "POST /v1/models/{id}/links": {
    needs: ["read"],
    status: 201,
    request: ({ plain }) => ({ path: `/v1/models/${plain}/links`, ...jsonOf("POST", { expiresIn: 60 }) }),
  },

  "POST /v1/probes": {
    needs: ["probe"],
    status: 201,
    request: async ({ checkpoint, freshCheckpoint }) => ({
      path: "/v1/probes",
      ...jsonOf("POST", { a: checkpoint, b: await freshCheckpoint(), dataset: "tiny", points: 2 }),
    }),
  },
  "GET /v1/probes": reading(["read"], () => "/v1/probes"),
  "GET /v1/probes/{id}": reading(["read", "probe"], ({ probe }) => `/v1/probes/${probe}`),
  "GET /v1/probes/{id}/barrier.svg": reading(["read", "probe"], ({ probe }) => `/v1/probes/${probe}/barrier.svg`),
  "GET /v1/probes/{id}/badge.svg": reading(["read", "probe"], ({ probe }) => `/v1/probes/${probe}/badge.svg`),
  // A path has neither.
  "GET /v1/probes/{id}/plane.svg": {
    ...reading(["read", "probe"], ({ probe }) => `/v1/probes/${probe}/plane.svg`),
    status: 404,
  },
  "GET /v1/probes/{id}/matrix.svg": {
    ...reading(["read", "probe"], ({ probe }) => `/v1/probes/${probe}/matrix.svg`),
    status: 404,
  },
  "DELETE /v1/probes/{id}": deleting(["probe"], 204, async ({ client, checkpoint, freshCheckpoint }) => {
    const question = { a: checkpoint, b: await freshCheckpoint(), dataset: "tiny", points: 2 };
    return { path: `/v1/probes/${(await client.createProbe(question)).id}` };
  }),

  "GET /v1/gates": reading(["read"], () => "/v1/gates"),
  "GET /v1/gates/{id}": {
    needs: ["read", "fuse", "publish"],
    status: 200,
    request: async (world) => ({ path: `/v1/gates/${await freshGate(world)}` }),
  },

  "POST /v1/soups": {
    needs: ["fuse"],
    status: 201,
    request: async (world) => ({ path: "/v1/soups", ...jsonOf("POST", await soupRequest(world)) }),
  },
  "GET /v1/soups": reading(["read"], () => "/v1/soups"),
  "GET /v1/soups/{id}": {
    needs: ["read", "fuse"],
    status: 200,
    request: async (world) => {
      const made = await world.worker.fetch("/v1/soups", jsonOf("POST", await soupRequest(world)));
      return { path: `/v1/soups/${((await made.json()) as { id: string }).id}` };
    },
  },

  "GET /v1/aliases": reading(["read", "publish"], () => "/v1/aliases"),
  "GET /v1/aliases/{name}": reading(["read", "publish"], () => "/v1/aliases/team%2Fplain"),
  "GET /v1/aliases/{name}/history": reading(["read", "publish"], () => "/v1/aliases/team%2Fplain/history"),
  "PUT /v1/aliases/{name}": {
    needs: ["publish"],
    status: 201,
    request: ({ plain }) => ({ path: `/v1/aliases/fresh-${crypto.randomUUID()}`, ...jsonOf("PUT", { model: plain }) }),
  },
  "DELETE /v1/aliases/{name}": deleting(["publish"], 204, async ({ plain, freshAlias }) => ({
    path: `/v1/aliases/${await freshAlias(plain)}`,
    headers: { "if-match": '"v1"' },
  })),
  "POST /v1/aliases/{name}/rollback": {
    needs: ["publish"],
    status: 200,
    request: async ({ worker, plain, sharded, freshAlias }) => {
      const path = `/v1/aliases/${await freshAlias(plain)}`;
      await worker.fetch(path, jsonOf("PUT", { model: sharded }, { "if-match": '"v1"' }));
      return { path: `${path}/rollback`, ...jsonOf("POST", {}, { "if-match": '"v2"' }) };
    },
  },

  "POST /v1/jobs": {
    needs: ["jobs"],
    status: 201,
    request: () => ({ path: "/v1/jobs", ...jsonOf("POST", { spec: trainSpec }) }),
  },
  "GET /v1/jobs": reading(["jobs", "read"], () => "/v1/jobs"),
  "GET /v1/queue": reading(["jobs", "read", "agent"], () => "/v1/queue"),
  "GET /v1/jobs/{id}": {
    ...reading(["jobs", "read"], () => ""),
    request: async (world) => ({ path: `/v1/jobs/${await freshJob(world)}` }),
  },
  "GET /v1/jobs/{id}/log": {
    ...reading(["jobs", "read"], () => ""),
    request: async (world) => ({ path: `/v1/jobs/${await freshJob(world)}/log` }),
  },
  "GET /v1/jobs/{id}/events": {
    ...reading(["jobs", "read"], () => ""),
    request: async (world) => {
      const id = await freshJob(world);
      await world.client.jobs.cancel(id as never);
      return { path: `/v1/jobs/${id}/events` };
    },
  },
  "DELETE /v1/jobs/{id}": deleting(["jobs"], 200, async (world) => ({ path: `/v1/jobs/${await freshJob(world)}` })),
  "POST /v1/jobs/claim": {
    needs: ["agent"],
    status: 200,
    request: async ({ client }) => {
      await client.jobs.create({ spec: trainSpec });
      return { path: "/v1/jobs/claim", ...jsonOf("POST", claimBody()) };
    },
  },
  "POST /v1/jobs/{id}/heartbeat": {
    needs: ["agent"],
    status: 200,
    request: async (world) => {
      const { path, headers } = await leasedJob(world);
      return { path: `${path}/heartbeat`, ...jsonOf("POST", {}, headers) };
    },
  },
  "POST /v1/jobs/{id}/log": {
    needs: ["agent"],
    status: 200,
    request: async (world) => {
      const { path, headers } = await leasedJob(world);
      const fields = { ...headers, "content-type": "text/plain" };
      return { path: `${path}/log?offset=0`, method: "POST", body: "line\n", headers: fields };
    },
  },
  "PUT /v1/jobs/{id}/files/{name}": {
    needs: ["agent"],
    status: 200,
    request: async (world) => {
      const [{ path, headers }, file] = [await leasedJob(world), await keptFile()];
      return {
        path: `${path}/files/a.state`,
        method: "PUT",
        body: file.body,
        headers: { ...headers, ...file.headers },
      };
    },
  },
  "GET /v1/jobs/{id}/files/{name}": {
    needs: ["agent", "jobs", "read"],
    status: 200,
    request: async (world) => {
      const [{ path, headers }, file] = [await leasedJob(world), await keptFile()];
      const sent = { method: "PUT", body: file.body, headers: { ...headers, ...file.headers } };
      await world.worker.fetch(`${path}/files/a.state`, sent);
      return { path: `${path}/files/a.state`, headers };
    },
  },
  "POST /v1/jobs/{id}/outputs": {
    needs: ["agent"],
    status: 201,
    request: async (world) => {
      const { path, headers } = await leasedJob(world);
      const fields = { ...headers, "content-type": "application/octet-stream" };
      return { path: `${path}/outputs`, method: "POST", body: world.freshFile(), headers: fields };
    },
  },
  "POST /v1/jobs/{id}/complete": {
    needs: ["agent"],
    status: 200,
    request: async (world) => {
      const { path, headers } = await leasedJob(world);
      return { path: `${path}/complete`, ...jsonOf("POST", { exitCode: 0 }, headers) };
    },
  },

  "POST /v1/sweep": {
    needs: ["admin"],
    status: 200,
    request: () => ({ path: "/v1/sweep", ...jsonOf("POST", { dryRun: true }) }),
  },
  "POST /v1/tokens": {
    needs: ["admin"],
    status: 201,
    request: () => ({ path: "/v1/tokens", ...jsonOf("POST", { name: "another", scopes: ["read"] }) }),
  },
  "GET /v1/tokens": reading(["admin"], () => "/v1/tokens"),
  "DELETE /v1/tokens/{id}": deleting(["admin"], 200, async ({ worker }) => {
    const made = await worker.fetch("/v1/tokens", jsonOf("POST", { name: "to be revoked", scopes: ["read"] }));
    return { path: `/v1/tokens/${((await made.json()) as { id: string }).id}` };
  }),

  "GET /models/{model}": reading("public", ({ plain }) => `/models/${plain}`),
  // Nobody has probed what it was made of.
  "GET /models/{id}/barrier.svg": { ...reading("public", ({ plain }) => `/models/${plain}/barrier.svg`), status: 404 },
  "GET /models/{id}/badge.svg": { ...reading("public", ({ plain }) => `/models/${plain}/badge.svg`), status: 404 },
  "GET /models/{id}/model.safetensors": reading("public", ({ plain }) => `/models/${plain}/model.safetensors`),
  "GET /models/{id}/manifest.json": reading("public", ({ plain }) => `/models/${plain}/manifest.json`),
  "GET /models/{id}/model.json": reading("public", ({ plain }) => `/models/${plain}/model.json`),
  "GET /models/{id}/weights.bin": reading("public", ({ plain }) => `/models/${plain}/weights.bin`),
  "GET /models/{id}/model.safetensors.index.json": reading(
    "public",
    ({ sharded }) => `/models/${sharded}/model.safetensors.index.json`,
  ),
  "GET /models/{id}/{shard}": reading("public", ({ sharded }) => `/models/${sharded}/model-00001-of-00002.safetensors`),
  "GET /models/{alias}/{file}": { ...reading("public", () => "/models/@solo/model.json"), status: 307 },
  "GET /models/{namespace}/{name}/{file}": {
    ...reading("public", () => "/models/@team/plain/weights.bin"),
    status: 307,
  },

  "GET /{namespace}/{name}/resolve/{revision}/{path}": reading("public", () => "/team/plain/resolve/main/config.json"),
  "GET /{namespace}/{name}/raw/{revision}/{path}": reading("public", () => "/team/plain/raw/v1/model.safetensors"),
  "GET /api/models/{namespace}/{name}": reading("public", () => "/api/models/team/plain"),
  "GET /api/models/{namespace}/{name}/revision/{revision}": reading(
    "public",
    ({ plain }) => `/api/models/models/${plain}/revision/main`,
  ),
  "GET /api/models/{namespace}/{name}/tree/{revision}": reading("public", () => "/api/models/team/sharded/tree/main"),
  // There are no folders, so nobody finds one.
  "GET /api/models/{namespace}/{name}/tree/{revision}/{path}": {
    ...reading("public", () => "/api/models/team/plain/tree/main/folder"),
    status: 404,
  },
  "POST /api/models/{namespace}/{name}/paths-info/{revision}": pathsInfo("team/plain"),
  "GET /{name}/resolve/{revision}/{path}": reading("public", () => "/solo/resolve/main/model.safetensors"),
  "GET /{name}/raw/{revision}/{path}": reading("public", ({ plain }) => `/${plain}/raw/main/model.json`),
  "GET /api/models/{name}": reading("public", () => "/api/models/solo"),
  "GET /api/models/{name}/revision/{revision}": reading("public", () => "/api/models/solo/revision/v1"),
  "GET /api/models/{name}/tree/{revision}": reading("public", () => "/api/models/many/tree/main"),
  "GET /api/models/{name}/tree/{revision}/{path}": {
    ...reading("public", () => "/api/models/solo/tree/main/folder"),
    status: 404,
  },
  "POST /api/models/{name}/paths-info/{revision}": pathsInfo("solo"),
};

/** Public addresses that the document does not describe: itself, and what describes it to people. */
export const UNDESCRIBED_PATHS = ["/openapi.json", "/docs", "/docs/problems"] as const;
