import type { CheckpointId, ModelId, ProbeId } from "../identity.ts";
import type { CheckpointDescription, CheckpointSummary } from "./checkpoints.ts";
import type { DatasetDescription, PutDatasetRequest, ShardDescription } from "./datasets.ts";
import type { CreateFusionRequest, FusionDescription, FusionPlanDescription } from "./fusions.ts";
import type { ModelManifest } from "./manifest.ts";
import type { Page } from "./paging.ts";
import type { CreateProbeRequest, ProbeDescription } from "./probes.ts";
import { PROBLEM_MEDIA_TYPE, problemSchema, type ProblemDocument } from "./problem.ts";

export interface ClientOptions {
  /** Address of the deployment, such as `http://127.0.0.1:8787`. */
  readonly url: string | URL;
  /** Bearer token; public reads need none. */
  readonly token?: string;
  readonly fetch?: typeof fetch;
  /** Pauses before a retry. */
  readonly wait?: (milliseconds: number) => Promise<void>;
}

/** How often a deployment that is out of memory for the moment is asked. */
const ATTEMPTS = 6;
/** Between two looks at a fusion. */
const POLL_MS = 500;

/** `Retry-After` in seconds, within reason; dates are not used by this API. */
function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return 1000 * Math.min(30, Number.isFinite(seconds) && seconds > 0 ? seconds : 2);
}

/** A problem that a deployment answered with, or an answer that was none of ours. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** Stable name of the kind of problem; `unexpected-response` where the answer was not a problem document. */
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  /** The whole document, with particulars such as `differences`. */
  readonly problem: ProblemDocument | undefined;

  constructor(request: string, status: number, problem: ProblemDocument | undefined) {
    const detail = problem?.detail ?? `HTTP ${status} without a problem document`;
    super(`${request}: ${detail}`);
    this.code = problem?.code ?? "unexpected-response";
    this.status = status;
    this.detail = detail;
    this.problem = problem;
  }
}

/** Files of a published model. */
export type ModelFile = "model.safetensors" | "manifest.json" | "model.json" | "weights.bin";

/**
 * A typed client of the worker's API. Every method throws {@link ApiError} where the deployment answers with a problem,
 * after some patience with one that is out of memory for the moment; what `fetch` throws passes through.
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
  readonly #url: URL;
  readonly #token: string | undefined;
  readonly #fetch: typeof fetch;
  readonly #wait: (milliseconds: number) => Promise<void>;

  constructor(options: ClientOptions) {
    this.#url = new URL(options.url);
    this.#token = options.token;
    // Called without a receiver, as browsers and workerd demand of their own fetch.
    this.#fetch = options.fetch ?? ((...parameters) => fetch(...parameters));
    this.#wait = options.wait ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)));
  }

  /** @param file a whole safetensors file */
  async uploadCheckpoint(file: Uint8Array<ArrayBuffer> | Blob): Promise<CheckpointDescription> {
    return this.#json("POST", "/v1/checkpoints", file);
  }

  /** @param key of an object uploaded through S3 */
  async registerCheckpoint(key: string): Promise<CheckpointDescription> {
    return this.#json("POST", "/v1/checkpoints", { key });
  }

  async describeCheckpoint(id: CheckpointId): Promise<CheckpointDescription> {
    return this.#json("GET", `/v1/checkpoints/${id}`);
  }

  /** Every checkpoint, newest first, page by page. */
  async *listCheckpoints(pageSize = 100): AsyncGenerator<CheckpointSummary> {
    for (let cursor: string | null = ""; cursor !== null;) {
      const query: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const page: Page<CheckpointSummary> = await this.#json("GET", `/v1/checkpoints?limit=${pageSize}${query}`);
      yield* page.items;
      cursor = page.next;
    }
  }

  /** @param file a whole safetensors file with `x` and `y` */
  async uploadShard(file: Uint8Array<ArrayBuffer> | Blob): Promise<ShardDescription> {
    return this.#json("POST", "/v1/shards", file);
  }

  /** @param key of an object uploaded through S3 */
  async registerShard(key: string): Promise<ShardDescription> {
    return this.#json("POST", "/v1/shards", { key });
  }

  /** Names a list of shards; the same list is the same version. */
  async putDataset(name: string, request: PutDatasetRequest): Promise<DatasetDescription> {
    return this.#json("PUT", `/v1/datasets/${encodeURIComponent(name)}`, request);
  }

  /** @param version the latest where left out */
  async describeDataset(name: string, version?: number): Promise<DatasetDescription> {
    const query = version === undefined ? "" : `?version=${version}`;
    return this.#json("GET", `/v1/datasets/${encodeURIComponent(name)}${query}`);
  }

  async createFusion(request: CreateFusionRequest): Promise<FusionDescription> {
    return this.#json("POST", "/v1/fusions", request);
  }

  async describeFusion(id: ModelId): Promise<FusionDescription> {
    return this.#json("GET", `/v1/fusions/${id}`);
  }

  /**
   * Waits until a fusion has ended, one way or another; a lazy one is not waited for.
   * @param onProgress called with every description on the way
   */
  async waitForFusion(
    id: ModelId,
    onProgress: (fusion: FusionDescription) => void = () => undefined,
  ): Promise<FusionDescription> {
    for (;;) {
      const fusion = await this.describeFusion(id);
      onProgress(fusion);
      if (fusion.state !== "queued" && fusion.state !== "running") return fusion;
      await this.#wait(POLL_MS);
    }
  }

  /** Cancels a fusion that is queued or running. */
  async cancelFusion(id: ModelId): Promise<FusionDescription> {
    return this.#json("DELETE", `/v1/fusions/${id}`);
  }

  /** What a recipe comes to, tensor by tensor; nothing is fused. */
  async planFusion(recipe: CreateFusionRequest["recipe"]): Promise<FusionPlanDescription> {
    return this.#json("POST", "/v1/fusions/plan", { recipe });
  }

  async createProbe(request: CreateProbeRequest): Promise<ProbeDescription> {
    return this.#json("POST", "/v1/probes", request);
  }

  /** The picture of a probe, as SVG. */
  async fetchChart(id: ProbeId): Promise<string> {
    return (await this.#send("GET", `/v1/probes/${id}/barrier.svg`)).text();
  }

  /** Address of a published model's file; public. */
  modelUrl(id: ModelId, file: ModelFile): string {
    return this.#address(`/models/${id}/${file}`).href;
  }

  /** A published model as safetensors, whole. */
  async fetchModel(id: ModelId): Promise<Uint8Array<ArrayBuffer>> {
    const response = await this.#send("GET", `/models/${id}/model.safetensors`);
    return new Uint8Array(await response.arrayBuffer());
  }

  async fetchManifest(id: ModelId): Promise<ModelManifest> {
    return this.#json("GET", `/models/${id}/manifest.json`);
  }

  async #json<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    // The deployment's own schemas made the answer; it is not checked a second time.
    return (await (await this.#send(method, path, body)).json()) as Answer;
  }

  async #send(method: string, path: string, body?: object): Promise<Response> {
    const headers = new Headers();
    if (this.#token !== undefined) headers.set("authorization", `Bearer ${this.#token}`);
    const isFile = body instanceof Uint8Array || body instanceof Blob;
    if (body !== undefined) headers.set("content-type", isFile ? "application/octet-stream" : "application/json");
    const request: RequestInit = { method, headers };
    if (body !== undefined) request.body = isFile ? (body as Uint8Array<ArrayBuffer> | Blob) : JSON.stringify(body);

    for (let attempt = 1; ; attempt++) {
      const response = await this.#fetch(this.#address(path), request);
      if (response.ok) return response;
      const problem = await readProblem(response);
      // Every call is idempotent: equal bytes, equal recipes and equal questions have one answer.
      if (response.status !== 503 || attempt === ATTEMPTS) {
        throw new ApiError(`${method} ${path}`, response.status, problem);
      }
      await this.#wait(retryAfterMs(response));
    }
  }

  #address(path: string): URL {
    return new URL(this.#url.pathname.replace(/\/$/, "") + path, this.#url);
  }
}

async function readProblem(response: Response): Promise<ProblemDocument | undefined> {
  if (!(response.headers.get("content-type") ?? "").startsWith(PROBLEM_MEDIA_TYPE)) {
    await response.body?.cancel();
    return undefined;
  }
  return problemSchema.safeParse(await response.json()).data;
}
