import { EdgefuseClient } from "../../shared/api/client.ts";
import type { CreatedToken, Scope } from "../../shared/api/tokens.ts";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import type { CheckpointId, ModelId, ProbeId, ShardId } from "../../shared/identity.ts";
import { encodeSafetensors } from "../../shared/safetensors/index.ts";
import { linearModel } from "./checkpoint-files.ts";
import { type OidcIssuer, startOidcIssuer } from "./oidc-issuer.ts";
import { startWorker, type WorkerHarness } from "./worker-harness.ts";

/** Models above so many bytes come in shards: between the two models below. */
const SHARD_BYTES = 64;

/** A deployment with one of everything, and with a way to get in for every scope. */
export interface ConformanceWorld {
  readonly worker: WorkerHarness;
  readonly client: EdgefuseClient;
  readonly checkpoint: CheckpointId;
  readonly shard: ShardId;
  readonly probe: ProbeId;
  /** Public, in one file, behind the aliases `solo` and `team/plain`. */
  readonly plain: ModelId;
  /** Public, in shards, behind the aliases `many` and `team/sharded`. */
  readonly sharded: ModelId;
  /** A checkpoint that no other call of this gives, of four inputs and two logits. */
  freshFile(): Uint8Array<ArrayBuffer>;
  freshCheckpoint(): Promise<CheckpointId>;
  freshShardFile(): Uint8Array<ArrayBuffer>;
  /** Fuses a checkpoint of its own; above {@link SHARD_BYTES} where it is wide. */
  freshModel(more?: { isWide?: boolean; visibility?: "private"; materialize?: "lazy" }): Promise<ModelId>;
  /** Points a new alias at a model. */
  freshAlias(model: ModelId, name?: string): Promise<string>;
  /** A bearer token with these scopes and no others; the same one for the same scopes. */
  token(...scopes: Scope[]): Promise<string>;
  /** An OpenID Connect token that a rule lets in for this scope alone. */
  oidc(scope: Scope, claims?: { readonly exp: number }): Promise<string>;
  /** Everything that is stored, tokens' last use left out. */
  snapshot(): Promise<string>;
  close(): Promise<void>;
}

/** @param scopes that have a rule for OpenID Connect tokens, one each, told apart by the audience */
export async function startConformanceWorld(scopes: readonly Scope[]): Promise<ConformanceWorld> {
  const issuer = await startOidcIssuer();
  const worker = await startWorker({
    vars: {
      EDGEFUSE_SHARD_BYTES: String(SHARD_BYTES),
      EDGEFUSE_RATE_LIMIT: "1000000",
      EDGEFUSE_WRITE_RATE_LIMIT: "1000000",
      EDGEFUSE_OIDC_RULES: JSON.stringify(scopes.map((scope) => ruleFor(issuer, scope))),
    },
  });
  const client = new EdgefuseClient({ url: worker.url, token: worker.token });
  let number = 0;
  const next = () => ++number;
  const tokens = new Map<string, Promise<string>>();

  const freshFile = () => linearModel([next(), 2, 3, 4, 5, 6, 7, 8], [1, 0]);
  const freshCheckpoint = async () => (await client.uploadCheckpoint(freshFile())).id;
  const freshModel: ConformanceWorld["freshModel"] = async ({ isWide = false, ...more } = {}) => {
    const file = isWide ? wideModel(next()) : freshFile();
    const inputs = [{ checkpoint: (await client.uploadCheckpoint(file)).id }];
    return (await client.createFusion({ recipe: { method: "linear", inputs }, ...more })).id;
  };
  const freshAlias = async (model: ModelId, name = `fresh-${next()}`) => {
    await expectOk(worker.fetch(`/v1/aliases/${encodeURIComponent(name)}`, jsonOf("PUT", { model })));
    return name;
  };
  const makeToken = async (wanted: readonly Scope[]) => {
    const made = await expectOk(worker.fetch("/v1/tokens", jsonOf("POST", { name: "conformance", scopes: wanted })));
    return ((await made.json()) as CreatedToken).token;
  };

  const [checkpoint, other] = [await freshCheckpoint(), await freshCheckpoint()];
  const { id: shard } = await client.uploadShard(shardFile(next()));
  await client.putDataset("tiny", { shards: [shard] });
  const { id: probe } = await client.createProbe({ a: checkpoint, b: other, dataset: "tiny", points: 2 });
  const [plain, sharded] = [await freshModel(), await freshModel({ isWide: true })];
  for (const [model, ...names] of [
    [plain, "solo", "team/plain"],
    [sharded, "many", "team/sharded"],
  ] as const) {
    for (const name of names) await freshAlias(model, name);
  }

  return {
    ...{ worker, client, checkpoint, shard, probe, plain, sharded },
    ...{ freshFile, freshCheckpoint, freshModel, freshAlias },
    freshShardFile: () => shardFile(next()),
    token: (...wanted) => {
      const key = wanted.toSorted().join(" ");
      const made = tokens.get(key) ?? makeToken(wanted);
      tokens.set(key, made);
      return made;
    },
    oidc: (scope, claims) =>
      issuer.token({ aud: audienceOf(scope), ...(claims === undefined ? {} : { ...claims, iat: claims.exp - 300 }) }),
    snapshot: () => snapshotOf(worker),
    close: async () => {
      await worker.close();
      await issuer.close();
    },
  };
}

/** A request with a JSON body. */
export function jsonOf(method: string, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  return { method, body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } };
}

/** Sixteen inputs, two logits: 136 bytes of tensors. */
function wideModel(seed: number): Uint8Array<ArrayBuffer> {
  const f32 = (values: readonly number[]) => new Uint8Array(new Float32Array(values).buffer);
  const kernel = Array.from({ length: 32 }, (_, index) => index + seed);
  return encodeSafetensors(
    new Map([
      ["output/kernel", { dtype: "F32", shape: [16, 2], data: f32(kernel) }],
      ["output/bias", { dtype: "F32", shape: [2], data: f32([seed, -seed]) }],
    ]),
    { "edgefuse.model": JSON.stringify({ architecture: "mlp", input: [4, 4], hidden: [], classes: 2 }) },
  );
}

function shardFile(seed: number): Uint8Array<ArrayBuffer> {
  const x = new Float32Array([seed, 0.9, 0.3, 0.7, 0.8, 0.2, 0.6, 0.4]);
  return encodeShard({ count: 2, inputShape: [2, 2], x, y: new Int32Array([0, 1]), scale: 1, offset: 0 });
}

const audienceOf = (scope: Scope) => `edgefuse-${scope}`;

function ruleFor({ issuer, jwksUri }: OidcIssuer, scope: Scope) {
  return { issuer, jwksUri, audience: audienceOf(scope), repository: "owner/name", scopes: [scope] };
}

async function expectOk(answer: Promise<Response>): Promise<Response> {
  const response = await answer;
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response;
}

async function snapshotOf({ environment: { BUCKET, CATALOG } }: WorkerHarness): Promise<string> {
  const { results: tables } = await CATALOG.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
  ).all<{ name: string }>();
  const answers = await CATALOG.batch<Record<string, unknown>>(
    tables.map(({ name }) => CATALOG.prepare(`SELECT * FROM "${name}"`)),
  );
  const { objects } = await BUCKET.list();
  const stored = [objects.map(({ key, etag }) => [key, etag]), answers.map(({ results }) => results)];
  return JSON.stringify(stored, (key, value: unknown) => (key === "last_used_at" ? undefined : value));
}
