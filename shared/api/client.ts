import type { CheckpointId, DatasetName, ModelId, ShardId } from "../identity.ts";
import type { CheckpointDescription, CheckpointSummary, CompositeCheckpoint } from "./checkpoints.ts";
import { AliasCalls } from "./client/aliases.ts";
import { type ClientOptions, Connection, type FileBody, queryText } from "./client/connection.ts";
import { GateCalls } from "./client/gates.ts";
import { JobCalls } from "./client/jobs.ts";
import { type AnswerTo, ProbeCalls } from "./client/probes.ts";
import { SoupCalls } from "./client/soups.ts";
import { TokenCalls } from "./client/tokens.ts";
import { TopologyCalls } from "./client/topologies.ts";
import { factFields, type UploadFacts } from "./client/upload-facts.ts";
import { UploadCalls } from "./client/uploads.ts";
import type { DatasetDescription, PutDatasetRequest, ShardDescription } from "./datasets.ts";
import type { CreateFusionRequest, FusionDescription, FusionPlanDescription } from "./fusions.ts";
import type { CreateLinkRequest, SignedLink } from "./links.ts";
import type {
  CheckpointQuery,
  FusionQuery,
  ModelQuery,
  ModelSummary,
  ShardQuery,
  SweepReport,
  SweepRequest,
} from "./listing.ts";
import type { ModelManifest } from "./manifest.ts";
import type { CreateProbeRequest } from "./probes.ts";

/** Between two looks at a fusion. */
const POLL_MS = 500;

/** Files of a published model. */
export type ModelFile = "model.safetensors" | "manifest.json" | "model.json" | "weights.bin";

/** What a list shall hold, and how many entries a page; pages are followed to the last. */
export type Filter<Query> = Partial<Omit<Query, "cursor">>;

/** A model as it is found by a name: an alias at one of its versions, or `models/<id>`. */
export interface RepositoryDescription {
  /** Id of the model. */
  readonly sha: ModelId;
  readonly private: boolean;
  /** The files it has: one `model.safetensors`, or shards and their index; the TF.js form where it has one. */
  readonly siblings: readonly { readonly rfilename: string }[];
}

/**
 * A typed client of the worker's API. Every method throws {@link ApiError} where the deployment answers with a problem,
 * after some patience with one that is busy (429, 503 and their `Retry-After`) or does not answer; what `fetch` throws
 * passes through after that. A repetition never does a thing twice.
 *
 * What is made of bytes is asked for here. Calls of their own have names ({@link EdgefuseClient.aliases}), measuring and
 * choosing ({@link EdgefuseClient.probes}, {@link EdgefuseClient.gates}, {@link EdgefuseClient.soups},
 * {@link EdgefuseClient.topologies}), {@link EdgefuseClient.jobs}, {@link EdgefuseClient.tokens}, and {@link EdgefuseClient.uploads} in parts.
 * @example
 * ```ts
 * const client = new EdgefuseClient({ url, token });
 * const a = await client.uploadCheckpoint(bytes);
 * const inputs = [{ checkpoint: a.id }, { checkpoint: b.id }];
 * const fusion = await client.createFusion({ recipe: { method: "linear", inputs } });
 * const file = await client.fetchModel(fusion.id);
 * ```
 */
export class EdgefuseClient {
  readonly aliases: AliasCalls;
  readonly gates: GateCalls;
  readonly jobs: JobCalls;
  readonly probes: ProbeCalls;
  readonly soups: SoupCalls;
  readonly tokens: TokenCalls;
  readonly topologies: TopologyCalls;
  readonly uploads: UploadCalls;
  readonly #connection: Connection;

  constructor(options: ClientOptions) {
    this.#connection = new Connection(options);
    this.aliases = new AliasCalls(this.#connection);
    this.gates = new GateCalls(this.#connection);
    this.jobs = new JobCalls(this.#connection);
    this.probes = new ProbeCalls(this.#connection);
    this.soups = new SoupCalls(this.#connection);
    this.tokens = new TokenCalls(this.#connection);
    this.topologies = new TopologyCalls(this.#connection);
    this.uploads = new UploadCalls(this.#connection);
  }

  /** @param file a whole safetensors file */
  async uploadCheckpoint(file: FileBody, facts: UploadFacts = {}): Promise<CheckpointDescription> {
    return this.#connection.json("POST", "/v1/checkpoints", { body: file, headers: factFields(facts) });
  }

  /** @param key of an object uploaded through S3 */
  async registerCheckpoint(key: string): Promise<CheckpointDescription> {
    return this.#connection.json("POST", "/v1/checkpoints", { body: { key } });
  }

  /** Registers a sharded checkpoint, whose files are registered already. */
  async registerComposite(composite: CompositeCheckpoint): Promise<CheckpointDescription> {
    return this.#connection.json("POST", "/v1/checkpoints", { body: composite });
  }

  async describeCheckpoint(id: CheckpointId): Promise<CheckpointDescription> {
    return this.#connection.json("GET", `/v1/checkpoints/${id}`);
  }

  /** Checkpoints, newest first. */
  listCheckpoints(filter: Filter<CheckpointQuery> = {}): AsyncGenerator<CheckpointSummary> {
    return this.#connection.pages("/v1/checkpoints", filter);
  }

  /** @throws ApiError `still-needed`, with `neededBy`, where a recipe or a probe needs it */
  async deleteCheckpoint(id: CheckpointId): Promise<void> {
    return this.#connection.delete(`/v1/checkpoints/${id}`);
  }

  /** @param file a whole safetensors file with `x` and `y` */
  async uploadShard(file: FileBody, facts: UploadFacts = {}): Promise<ShardDescription> {
    return this.#connection.json("POST", "/v1/shards", { body: file, headers: factFields(facts) });
  }

  /** @param key of an object uploaded through S3 */
  async registerShard(key: string): Promise<ShardDescription> {
    return this.#connection.json("POST", "/v1/shards", { body: { key } });
  }

  async describeShard(id: ShardId): Promise<ShardDescription> {
    return this.#connection.json("GET", `/v1/shards/${id}`);
  }

  /** Shards, newest first. */
  listShards(filter: Filter<ShardQuery> = {}): AsyncGenerator<ShardDescription> {
    return this.#connection.pages("/v1/shards", filter);
  }

  /** @throws ApiError `still-needed` */
  async deleteShard(id: ShardId): Promise<void> {
    return this.#connection.delete(`/v1/shards/${id}`);
  }

  /** Names a list of shards; the same list is the same version. */
  async putDataset(name: string, request: PutDatasetRequest): Promise<DatasetDescription> {
    return this.#connection.json("PUT", `/v1/datasets/${encodeURIComponent(name)}`, { body: request });
  }

  /** @param version the latest where left out */
  async describeDataset(name: string, version?: number): Promise<DatasetDescription> {
    return this.#connection.json("GET", `/v1/datasets/${encodeURIComponent(name)}${queryText({ version })}`);
  }

  /** The latest version of each dataset. */
  listDatasets(pageSize?: number): AsyncGenerator<DatasetDescription> {
    return this.#connection.pages("/v1/datasets", { limit: pageSize });
  }

  /** Deletes a dataset, all versions; its shards stay. */
  async deleteDataset(name: DatasetName): Promise<void> {
    return this.#connection.delete(`/v1/datasets/${name}`);
  }

  /**
   * Fuses by a recipe. Ask for `visibility: "private"` to keep the model from anonymous readers. With a `gate` the model
   * is published, and the `alias` moved, once it has passed.
   * @param waitSeconds that the answer may take where the fusion takes longer than a request
   * @throws ApiError `gate-refused` where the gate has decided against it already
   */
  async createFusion(request: CreateFusionRequest, waitSeconds?: number): Promise<FusionDescription> {
    const headers = waitSeconds === undefined ? {} : { prefer: `wait=${waitSeconds}` };
    return this.#connection.json("POST", "/v1/fusions", { body: request, headers });
  }

  async describeFusion(id: ModelId): Promise<FusionDescription> {
    return this.#connection.json("GET", `/v1/fusions/${id}`);
  }

  /** Fusions without a result first, then those that succeeded; each newest first. */
  listFusions(filter: Filter<FusionQuery> = {}): AsyncGenerator<FusionDescription> {
    return this.#connection.pages("/v1/fusions", filter);
  }

  /**
   * Waits until a fusion has ended, one way or another, and its gate has decided; a lazy one is not waited for.
   * @param onProgress called with every description on the way
   */
  async waitForFusion(
    id: ModelId,
    onProgress: (fusion: FusionDescription) => void = () => undefined,
  ): Promise<FusionDescription> {
    for (;;) {
      const fusion = await this.describeFusion(id);
      onProgress(fusion);
      if (!isUnderWay(fusion)) return fusion;
      await this.#connection.wait(POLL_MS);
    }
  }

  /** Cancels a fusion that is queued or running. */
  async cancelFusion(id: ModelId): Promise<FusionDescription> {
    return this.#connection.json("DELETE", `/v1/fusions/${id}`);
  }

  /** What a recipe comes to, tensor by tensor; nothing is fused. */
  async planFusion(recipe: CreateFusionRequest["recipe"]): Promise<FusionPlanDescription> {
    return this.#connection.json("POST", "/v1/fusions/plan", { body: { recipe } });
  }

  /** The same of a fusion that was asked for. */
  async fetchPlan(id: ModelId): Promise<FusionPlanDescription> {
    return this.#connection.json("GET", `/v1/fusions/${id}/plan`);
  }

  /** What lies between models: {@link ProbeCalls.create}. */
  createProbe<const Question extends CreateProbeRequest>(question: Question): Promise<AnswerTo<Question>> {
    return this.probes.create(question);
  }

  /** Address of a published model's file; whether the public may read it is the model's visibility. */
  modelUrl(id: ModelId, file: ModelFile): string {
    return this.#connection.address(`/models/${id}/${file}`).href;
  }

  /** A published model as safetensors, whole. */
  async fetchModel(id: ModelId): Promise<Uint8Array<ArrayBuffer>> {
    const response = await this.#connection.send("GET", `/models/${id}/model.safetensors`);
    return new Uint8Array(await response.arrayBuffer());
  }

  async fetchManifest(id: ModelId): Promise<ModelManifest> {
    return this.#connection.json("GET", `/models/${id}/manifest.json`);
  }

  /**
   * The model that a name stands for, and its files. Needs no token for public models.
   * @param name `digits`, `team/digits` or `models/<id>`
   * @param revision `main`, a version such as `v3`, or the id of a model that the alias pointed at
   */
  async describeRepository(name: string, revision = "main"): Promise<RepositoryDescription> {
    return this.#connection.json("GET", `/api/models/${name}/revision/${encodeURIComponent(revision)}`);
  }

  /** Stored models, newest first. */
  listModels(filter: Filter<ModelQuery> = {}): AsyncGenerator<ModelSummary> {
    return this.#connection.pages("/v1/models", filter);
  }

  /** @throws ApiError `still-needed` where an alias or a probe needs it */
  async deleteModel(id: ModelId): Promise<void> {
    return this.#connection.delete(`/v1/models/${id}`);
  }

  /** A link that opens a private model to whoever has it, for a while. */
  async createLink(id: ModelId, request: CreateLinkRequest): Promise<SignedLink> {
    return this.#connection.json("POST", `/v1/models/${id}/links`, { body: request, once: true });
  }

  /** Looks for what nothing refers to, and removes it unless this is a dry run; takes the scope `admin`. */
  async sweep(request: SweepRequest = {}): Promise<SweepReport> {
    return this.#connection.json("POST", "/v1/sweep", { body: request });
  }

  /**
   * Any address of the deployment, with the token and the client's patience: for ranges, entity tags and streams.
   * @param accept a status beside 2xx that is an answer too, such as 304
   */
  async open(
    path: string,
    {
      method = "GET",
      headers = {},
      accept,
    }: { method?: "GET" | "HEAD"; headers?: Record<string, string>; accept?: number } = {},
  ): Promise<Response> {
    return this.#connection.send(method, path, { headers, accept });
  }
}

/** Whether a fusion is being made, or its gate measures it. */
export function isUnderWay({ state, gate }: Pick<FusionDescription, "state" | "gate">): boolean {
  return state === "queued" || state === "running" || (state === "succeeded" && gate?.state === "pending");
}
