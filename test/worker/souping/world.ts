import type { FusionDescription } from "../../../shared/api/fusions.ts";
import type { SoupDescription } from "../../../shared/api/soups.ts";
import { encodeSafetensors } from "../../../shared/safetensors/index.ts";
import type { Environment } from "../../../worker/environment.ts";
import { SoupWorkflow } from "../../../worker/workflows/soup-workflow.ts";
import { fresh, freshModel, freshShard, uploaded } from "../faults/files.ts";
import { type Answer, ask, healthy, succeed } from "../faults/world.ts";
import { bindings } from "../migrations.ts";

/** A Workflow that takes instances and runs none: a test runs them itself. */
const SOUP_WORKFLOW = { create: async () => ({}) } as unknown as Environment["SOUP_WORKFLOW"];
export const idle: Environment = { ...healthy, SOUP_WORKFLOW };

export const LONG_AGO = "2026-01-01T00:00:00.000Z";

/** A question of its own: two small models, and a dataset of so many shards. */
export async function freshQuestion(shards = 1): Promise<{ checkpoints: string[]; dataset: string }> {
  const ids: string[] = [];
  for (let shard = 0; shard < shards; shard++) {
    ids.push((await succeed<{ id: string }>({ method: "POST", path: "/v1/shards", body: freshShard() })).id);
  }
  const dataset = `soups-${fresh()}`;
  await succeed({ method: "PUT", path: `/v1/datasets/${dataset}`, body: { shards: ids } });
  return { checkpoints: [await uploaded(freshModel()), await uploaded(freshModel())], dataset };
}

export interface Asked {
  readonly environment?: Environment;
  readonly headers?: Readonly<Record<string, string>>;
}

export const post = (body: object, { environment = idle, headers = {} }: Asked = {}): Promise<Answer> =>
  ask(environment, { method: "POST", path: "/v1/soups", body, headers });
const jsonOf = ({ bytes }: Answer) =>
  JSON.parse(new TextDecoder().decode(bytes)) as SoupDescription & { code?: string };
export const ASYNC = { headers: { prefer: "respond-async" } };

export async function asked(body: object, how?: Asked): Promise<[number, SoupDescription]> {
  const answer = await post(body, how);
  return [answer.status, jsonOf(answer)];
}

export async function codeOf(body: object, how?: Asked): Promise<[number, string | undefined]> {
  const answer = await post(body, how);
  return [answer.status, jsonOf(answer).code];
}

export const visibilityOf = async (model: string | null) =>
  (await succeed<FusionDescription>({ method: "GET", path: `/v1/fusions/${model}` })).visibility;

export const soupNow = (id: string) => succeed<SoupDescription>({ method: "GET", path: `/v1/soups/${id}` }, idle);

/** Runs an instance as the platform does, each step once. @returns names of the steps */
export async function runInstance(environment: Environment, id: string, attempt = 1): Promise<string[]> {
  const names: string[] = [];
  const step = {
    do: async (name: string, _options: object, work: () => Promise<unknown>) => {
      names.push(name);
      return structuredClone(await work());
    },
  };
  const event = { payload: { id, attempt }, timestamp: new Date(), instanceId: `${id}-${attempt}` };
  const workflow = { env: environment } as unknown as SoupWorkflow;
  await SoupWorkflow.prototype.run.call(workflow, event as never, step as never);
  return names;
}

/** Bindings that tell of every shard before it is read, and of a model before it is stored. */
export function telling({ shard, model }: { shard?: (read: number) => Promise<void>; model?: () => Promise<void> }) {
  let reads = 0;
  const BUCKET = new Proxy(bindings.BUCKET, {
    get: (bucket, name) => {
      const member: unknown = Reflect.get(bucket, name);
      if (typeof member !== "function") return member;
      return async (key: string, ...rest: unknown[]) => {
        if (name === "get" && key.startsWith("shards/")) await shard?.(reads++);
        if (name === "put" && key.endsWith("/model.safetensors")) await model?.();
        return (await Reflect.apply(member, bucket, [key, ...rest])) as unknown;
      };
    },
  });
  return { ...idle, BUCKET };
}

/** Where every shard is a unit of work. */
export const tellingOfUnits = (shard: (read: number) => Promise<void>): Environment => ({
  ...telling({ shard }),
  EDGEFUSE_INLINE_PROBE_OPERATIONS: 1,
});

export const supersede = async (id: string) =>
  void (await bindings.CATALOG.prepare("UPDATE soups SET attempt = 2 WHERE id = ?").bind(id).run());

/** A token that may ask for soups, but publish nothing. */
export async function fusersToken(): Promise<Asked> {
  const body = { name: `fuser-${fresh()}`, scopes: ["fuse"] };
  const { token } = await succeed<{ token: string }>({ method: "POST", path: "/v1/tokens", body });
  return { headers: { authorization: `Bearer ${token}` } };
}

/** A network of so many hidden neurons, like no other. */
export function freshMlp(hidden: number): Uint8Array<ArrayBuffer> {
  const first = fresh();
  const tensor = (...shape: number[]) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const values = Float32Array.from({ length }, (_, at) => Math.sin(first + at));
    return { dtype: "F32" as const, shape, data: new Uint8Array(values.buffer) };
  };
  return encodeSafetensors(
    new Map([
      ["hidden_0/kernel", tensor(4, hidden)],
      ["hidden_0/bias", tensor(hidden)],
      ["output/kernel", tensor(hidden, 2)],
      ["output/bias", tensor(2)],
    ]),
    { "edgefuse.model": JSON.stringify({ architecture: "mlp", input: [2, 2], hidden: [hidden], classes: 2 }) },
  );
}
