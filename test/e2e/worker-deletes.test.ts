import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { CheckpointId, ShardId } from "../../shared/identity.ts";
import { encodeSafetensors } from "../../shared/safetensors/index.ts";
import { f32Checkpoint, LINEAR_MODEL, linearModel } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
}, 300_000);
afterAll(() => worker.close());

const remove = (path: string) => worker.fetch(path, { method: "DELETE" });
const exists = async (key: string) => (await worker.environment.BUCKET.head(key)) !== null;
async function needed(path: string, by: { kind: string; id: string }[]) {
  const before = await worker.snapshot();
  const response = await remove(path);
  expect([response.status, await response.json()]).toEqual([
    409,
    expect.objectContaining({ code: "still-needed", neededBy: by, count: by.length }),
  ]);
  expect(await worker.snapshot()).toBe(before);
}
async function listed(path: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor = "";
  for (;;) {
    const response = await worker.fetch(`${path}${path.includes("?") ? "&" : "?"}limit=2${cursor}`);
    expect(response.status).toBe(200);
    const page = (await response.json()) as { items: { id: string }[]; next: string | null };
    expect(page.items.length).toBeLessThanOrEqual(2);
    ids.push(...page.items.map(({ id }) => id));
    if (page.next === null) return ids;
    cursor = `&cursor=${page.next}`;
  }
}

/** A checkpoint as the trainer writes it: two logits, of a family, trained on something. */
function trained(seed: number, family: string | undefined, dataset: string, accuracy: number): Uint8Array<ArrayBuffer> {
  const f32 = (length: number) => new Uint8Array(Float32Array.from({ length }, (_, i) => Math.sin(seed + i)).buffer);
  const alignment = { scheme: "philox4x32-10", seed: "7", fixedRatio: 0, scope: "all", init: family };
  return encodeSafetensors(
    new Map([
      ["output/kernel", { dtype: "F32" as const, shape: [4, 2], data: f32(8) }],
      ["output/bias", { dtype: "F32" as const, shape: [2], data: f32(2) }],
    ]),
    {
      "edgefuse.model": LINEAR_MODEL,
      "edgefuse.training": JSON.stringify({
        dataset,
        metrics: { validationAccuracy: accuracy, validationLoss: 1 - accuracy },
      }),
      ...(family === undefined ? {} : { "edgefuse.alignment": JSON.stringify(alignment) }),
    },
  );
}
const upload = async (file: Uint8Array<ArrayBuffer>) => (await client.uploadCheckpoint(file)).id;
const fuse = async (a: CheckpointId, b: CheckpointId, materialize: "eager" | "lazy" = "eager") =>
  (
    await client.createFusion({
      recipe: { method: "linear", inputs: [{ checkpoint: a }, { checkpoint: b }] },
      materialize,
    })
  ).id;
const shardOf = (value: number) =>
  encodeShard({
    count: 2,
    inputShape: [2, 2],
    x: new Float32Array(8).fill(value),
    y: Int32Array.from([0, 1]),
    scale: 1,
    offset: 0,
  });

describe("deleting", () => {
  it("takes a checkpoint away that nothing needs, with all of it", async () => {
    const before = await worker.snapshot();
    const id = await upload(f32Checkpoint({ w: [1, 2, 3] }));
    const gone = await remove(`/v1/checkpoints/${id}`);
    expect([gone.status, await gone.text()]).toEqual([204, ""]);
    expect(await worker.snapshot()).toBe(before);
    expect((await remove(`/v1/checkpoints/${id}`)).status).toBe(404);
    expect((await worker.fetch(`/v1/checkpoints/${id}`)).status).toBe(404);
    // The same bytes may come again.
    expect(await upload(f32Checkpoint({ w: [1, 2, 3] }))).toBe(id);
    expect((await worker.fetch(`/v1/checkpoints/${id}/model.safetensors`)).status).toBe(200);
  });

  it("is refused for what a recipe, a lazy recipe or a probe needs, with the list; from the end it goes", async () => {
    const before = await worker.snapshot();
    const [a, b, c] = [
      await upload(linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 1])),
      await upload(linearModel([2, 2, 3, 4, 5, 6, 7, 8], [1, 1])),
      await upload(linearModel([3, 2, 3, 4, 5, 6, 7, 8], [1, 1])),
    ] as const;
    const [stored, lazy] = [await fuse(a, b), await fuse(b, c, "lazy")];
    const shard = (await client.uploadShard(shardOf(0.5))).id;
    await client.putDataset("digits", { shards: [shard] });
    const probe = (await client.createProbe({ a, b: stored, dataset: "digits", points: 3 })).id;
    const alias = await worker.fetch("/v1/aliases/best", {
      method: "PUT",
      body: JSON.stringify({ model: stored }),
      headers: { "content-type": "application/json" },
    });
    expect(alias.status).toBe(201);

    await needed(`/v1/checkpoints/${a}`, [
      { kind: "model", id: stored },
      { kind: "probe", id: probe },
    ]);
    await needed(`/v1/checkpoints/${b}`, [
      { kind: "model", id: stored },
      { kind: "fusion", id: lazy },
    ]);
    await needed(`/v1/checkpoints/${c}`, [{ kind: "fusion", id: lazy }]);
    await needed(`/v1/models/${stored}`, [
      { kind: "alias", id: "best" },
      { kind: "probe", id: probe },
    ]);
    await needed(`/v1/shards/${shard}`, [
      { kind: "dataset", id: "digits" },
      { kind: "probe", id: probe },
    ]);

    expect(await listed(`/v1/probes?model=${stored}`)).toEqual([probe]);
    expect(await listed(`/v1/probes?model=${c}`)).toEqual([]);
    expect(await listed(`/v1/probes?shard=${shard}`)).toEqual([probe]);
    expect(await listed("/v1/shards?dataset=digits")).toEqual([shard]);
    expect(await listed("/v1/shards?dataset=other")).toEqual([]);

    const tag = alias.headers.get("etag") ?? "";
    const unalias = await worker.fetch("/v1/aliases/best", { method: "DELETE", headers: { "if-match": tag } });
    expect(unalias.status).toBe(204);
    for (const path of [
      `/v1/probes/${probe}`,
      "/v1/datasets/digits",
      `/v1/shards/${shard}`,
      `/v1/models/${stored}`,
      `/v1/models/${lazy}`,
      ...[a, b, c].map((id) => `/v1/checkpoints/${id}`),
    ]) {
      expect([path, (await remove(path)).status]).toEqual([path, 204]);
      expect([path, (await remove(path)).status]).toEqual([path, 404]);
    }
    expect((await worker.fetch(`/models/${stored}/model.safetensors`)).status).toBe(404);
    expect((await worker.fetch(`/models/${lazy}/model.safetensors`)).status).toBe(404);
    expect(await worker.snapshot()).toBe(before);
  });

  it("names 20 of many, and counts them all", async () => {
    const base = await upload(f32Checkpoint({ w: [100] }));
    const others = await Promise.all(
      Array.from({ length: 22 }, (_, index) => upload(f32Checkpoint({ w: [200 + index] }))),
    );
    const fusions = await Promise.all(others.map((other) => fuse(base, other, "lazy")));
    const problem = (await (await remove(`/v1/checkpoints/${base}`)).json()) as { neededBy: unknown[]; count: number };
    expect([problem.neededBy.length, problem.count]).toEqual([20, 22]);
    for (const id of fusions) expect((await remove(`/v1/models/${id}`)).status).toBe(204);
    for (const id of [base, ...others]) expect((await remove(`/v1/checkpoints/${id}`)).status).toBe(204);
  });

  it("keeps the parts of a sharded checkpoint", async () => {
    const part = await upload(f32Checkpoint({ w: [31] }));
    const composite = await worker.fetch("/v1/checkpoints", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        index: { weight_map: { w: "model-00001-of-00001.safetensors" } },
        shards: { "model-00001-of-00001.safetensors": part },
      }),
    });
    expect(composite.status).toBe(201);
    const { id } = (await composite.json()) as { id: CheckpointId };
    await needed(`/v1/checkpoints/${part}`, [{ kind: "checkpoint", id }]);
    expect((await remove(`/v1/checkpoints/${id}`)).status).toBe(204);
    expect((await remove(`/v1/checkpoints/${part}`)).status).toBe(204);
  });

  it("never gives a dataset's version number again", async () => {
    const ids: ShardId[] = [];
    for (const value of [1, 2, 3]) ids.push((await client.uploadShard(shardOf(value))).id);
    const [one, two, three] = ids as [ShardId, ShardId, ShardId];
    expect((await client.putDataset("kept", { shards: [one] })).version).toBe(1);
    expect((await client.putDataset("kept", { shards: [two] })).version).toBe(2);
    expect((await remove("/v1/datasets/kept?version=2")).status).toBe(204);
    expect((await client.describeDataset("kept")).version).toBe(1);
    expect((await client.putDataset("kept", { shards: [three] })).version).toBe(3);
    expect((await remove("/v1/datasets/kept")).status).toBe(204);
    expect((await remove("/v1/datasets/kept")).status).toBe(404);
    expect((await client.putDataset("kept", { shards: [one] })).version).toBe(4);
    expect((await remove("/v1/datasets/kept")).status).toBe(204);
    for (const id of ids) expect((await remove(`/v1/shards/${id}`)).status).toBe(204);
  });

  it("goes on where it was not finished, and keeps the same bytes out meanwhile", async () => {
    const { BUCKET, CATALOG } = worker.environment;
    const file = f32Checkpoint({ w: [41] });
    const id = await upload(file);
    const key = `checkpoints/${id}.safetensors`;
    // As a worker leaves it that died between the row and the object.
    await CATALOG.batch([
      CATALOG.prepare("DELETE FROM checkpoints WHERE id = ?").bind(id),
      CATALOG.prepare("INSERT INTO deletions VALUES (?, ?)").bind(key, new Date().toISOString()),
    ]);
    await expect(upload(file)).rejects.toMatchObject({ code: "being-deleted" });
    expect((await worker.fetch(`/v1/checkpoints/${id}`)).status).toBe(404);
    expect((await remove(`/v1/checkpoints/${id}`)).status).toBe(204);
    expect((await BUCKET.head(key)) === null).toBe(true);
    expect(await upload(file)).toBe(id);
    expect(await exists(key)).toBe(true);
    expect((await remove(`/v1/checkpoints/${id}`)).status).toBe(204);
  });
});

describe("lists", () => {
  it("are filtered by architecture, family, dataset and metric, page by page", async () => {
    const [first, second] = ["a".repeat(64), "b".repeat(64)];
    const a = await upload(trained(1, first, "mnist", 0.9));
    const b = await upload(trained(2, first, "mnist", 0.8));
    const c = await upload(trained(3, second, "cifar-10", 0.7));
    const d = await upload(trained(4, undefined, "mnist", 0.95));
    const other = await upload(f32Checkpoint({ w: [77] }));
    const [ab, bc] = [await fuse(a, b), await fuse(b, c)];
    const lazy = await fuse(a, d, "lazy");
    const family = (await (await worker.fetch(`/v1/checkpoints/${a}`)).json()) as { family: string; metrics: object };
    expect(family.metrics).toEqual({ validationAccuracy: 0.9, validationLoss: 1 - 0.9 });

    const all = "/v1/checkpoints?";
    const expectList = async (path: string, ids: string[]) => expect([path, await listed(path)]).toEqual([path, ids]);
    await expectList(`${all}architecture=mlp`, [d, c, b, a]);
    await expectList(`${all}architecture=vit`, []);
    await expectList(`${all}family=${family.family}`, [b, a]);
    await expectList(`${all}dataset=mnist`, [d, b, a]);
    await expectList(`${all}dataset=mnist&minAccuracy=0.85`, [d, a]);
    await expectList(`${all}metric=validationLoss&max=0.25&min=0.08`, [b, a]);
    await expectList(`${all}metric=unheardOf&min=0`, []);
    expect(await listed(all)).toContain(other);
    for (const wrong of ["metric=validationLoss", "min=1", "metric=a%22b&min=1", "family=x", "minAccuracy=abc"]) {
      expect([wrong, (await worker.fetch(all + wrong)).status]).toEqual([wrong, 400]);
    }

    const models = "/v1/models?";
    await expectList(models, [bc, ab]);
    await expectList(`${models}architecture=mlp`, [bc, ab]);
    await expectList(`${models}architecture=vit`, []);
    await expectList(`${models}family=${family.family}`, [ab]);
    await expectList(`${models}dataset=cifar-10`, [bc]);
    await expectList(`${models}checkpoint=${a}`, [ab]);
    await expectList(`${models}method=ties`, []);
    await expectList(`${models}visibility=private`, []);
    const shard = (await client.uploadShard(shardOf(0.25))).id;
    const probe = await client.createProbe({ a, b: ab, shards: [shard], points: 2 });
    const accuracy = probe.points.at(-1)?.accuracy ?? 0;
    await expectList(`${models}minAccuracy=${accuracy}`, [ab]);
    await expectList(`${models}minAccuracy=${accuracy + 0.01}`, []);
    await expectList(`${models}maxLoss=1000`, [ab]);
    await expectList("/v1/fusions?", [lazy, bc, ab]);
    await expectList("/v1/fusions?state=lazy", [lazy]);
    await expectList("/v1/fusions?state=succeeded", [bc, ab]);
    await expectList("/v1/fusions?state=failed", []);

    const page = (await (await worker.fetch(`${models}limit=1`)).json()) as { items: object[] };
    expect(page.items[0]).toMatchObject({ id: bc, method: "linear", architecture: "mlp", visibility: "public" });

    // Rows from before have no facts; who filters finds them all the same.
    await worker.environment.CATALOG.exec(
      "UPDATE checkpoints SET indexed = 0, family = NULL, dataset = NULL, metrics = '{}'",
    );
    await expectList(`${all}dataset=mnist&minAccuracy=0.85`, [d, a]);
    await expectList(`${models}family=${family.family}`, [ab]);
  });
});
