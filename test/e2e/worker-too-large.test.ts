import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient, type FusionDescription } from "../../shared/api/index.ts";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import { encodeSafetensors } from "../../shared/safetensors/index.ts";
import { largeCheckpoint } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

const MIB = 2 ** 20;
/** The least that a deployment may be given. */
const BUDGET = 16 * MIB;
/** One row of DELLA: it is ranked as a whole, in float64, for two inputs and a base. */
const ELEMENTS = MIB;
let worker: WorkerHarness;
let client: EdgefuseClient;
let ids: string[];

beforeAll(async () => {
  worker = await startWorker({
    vars: { EDGEFUSE_MEMORY_BUDGET_BYTES: String(BUDGET), EDGEFUSE_INLINE_BYTES: String(13 * MIB) },
  });
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  ids = [];
  for (const seed of [1, 2, 3]) ids.push((await client.uploadCheckpoint(largeCheckpoint(ELEMENTS, seed))).id);
});
afterAll(() => worker.close());

const della = (count = 2, more: object = {}) => ({
  method: "della",
  base: ids[0],
  inputs: ids.slice(1, 1 + count).map((checkpoint) => ({ checkpoint })),
  parameters: { density: 0.5 },
  ...more,
});
const post = (recipe: unknown, materialize = "eager") =>
  worker.fetch("/v1/fusions", {
    method: "POST",
    body: JSON.stringify({ recipe, materialize }),
    headers: { "content-type": "application/json" },
  });

interface TooLarge {
  readonly neededBytes: number;
  readonly limitBytes: number;
}

/** Which code, and numbers that say by how much. */
function expectTooLarge(problem: unknown, members: object): void {
  expect(problem).toMatchObject({ status: 422, code: "too-large-for-isolate", limitBytes: BUDGET, ...members });
  const { neededBytes, limitBytes } = problem as TooLarge;
  expect(neededBytes).toBeGreaterThan(limitBytes);
  expect((problem as { detail: string }).detail).toContain(String(neededBytes));
  expect((problem as { detail: string }).detail).toContain(String(limitBytes));
}

const wholeTensor = { tensor: "w" };

describe("what an isolate can never hold", () => {
  it("is refused by the request that would fuse it, and nothing is stored", async () => {
    const before = await worker.snapshot();
    const refused = await post(della());
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([422, null]);
    const problem: unknown = await refused.json();
    expectTooLarge(problem, wholeTensor);
    // Rows of float64 for each of three files, and a result.
    expect((problem as TooLarge).neededBytes).toBeGreaterThan(4 * 8 * ELEMENTS);
    expect(await worker.snapshot()).toBe(before);
  });

  it("can be planned and noted, and is refused to who reads it", async () => {
    const { id } = (await (await post(della(), "lazy")).json()) as FusionDescription;
    const before = await worker.snapshot();
    for (const range of [undefined, "bytes=5000-5999"]) {
      const refused = await fetch(`${worker.url}/models/${id}/model.safetensors`, {
        headers: range === undefined ? {} : { range },
      });
      expect(refused.status).toBe(422);
      expectTooLarge(await refused.json(), wholeTensor);
    }
    expect((await worker.fetch(`/v1/fusions/${id}/plan`)).status).toBe(200);
    expect(await worker.snapshot()).toBe(before);
  });

  it("ends a Workflow at once, which says so and leaves nothing", async () => {
    const objects = async () => (await worker.environment.BUCKET.list()).objects.map(({ key }) => key);
    const before = await objects();
    // Four files of 4 MiB are beyond what a request takes.
    const extra = (await client.uploadCheckpoint(largeCheckpoint(ELEMENTS, 4))).id;
    const recipe = della(2, { inputs: [...ids.slice(1), extra].map((checkpoint) => ({ checkpoint })) });
    const accepted = await post(recipe);
    expect(accepted.status).toBe(202);
    const { id } = (await accepted.json()) as FusionDescription;
    const ended = await client.waitForFusion(id);
    expect(ended).toMatchObject({ state: "failed", sha256: null });
    expectTooLarge(ended.problem, wholeTensor);
    await expect.poll(objects).toEqual([...before, `checkpoints/${extra}.safetensors`].toSorted());
    const row = await worker.environment.CATALOG.prepare(
      "SELECT upload_id, attempt, created_at FROM fusions WHERE id = ?",
    )
      .bind(id)
      .first<{ upload_id: string | null; attempt: number; created_at: string }>();
    // The first attempt was the last.
    expect([row?.upload_id, row?.attempt]).toEqual([null, Date.parse(row?.created_at ?? "")]);
  });

  it("is told of tables for many inputs, too", async () => {
    const small: string[] = [];
    for (let seed = 0; seed < 65; seed++) small.push((await client.uploadCheckpoint(largeCheckpoint(4, seed))).id);
    const [base, ...members] = small;
    const recipe = {
      method: "ties",
      base,
      inputs: members.map((checkpoint) => ({ checkpoint })),
      parameters: { density: 0.5 },
    };
    const before = await worker.snapshot();
    const refused = await post(recipe);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([422, null]);
    expectTooLarge(await refused.json(), { files: 65 });
    expect(await worker.snapshot()).toBe(before);
    // Averages need none.
    const linear = { method: "linear", inputs: recipe.inputs };
    expect((await post(linear)).status).toBe(201);
  });

  it("is refused as an answer to a form", async () => {
    const fuse = (elements: number) => {
      const form = new FormData();
      for (const name of ["a", "base"]) {
        form.append(name, new Blob([largeCheckpoint(elements, name.length)]), `${name}.safetensors`);
      }
      form.append("method", "della");
      form.append("set", "density=0.5");
      return worker.fetch("/v1/fuse", { method: "POST", body: form });
    };
    const before = await worker.snapshot();
    const refused = await fuse(500_000);
    expect(refused.status).toBe(422);
    expectTooLarge(await refused.json(), wholeTensor);
    // What held the form is given back: one that fits is answered.
    const answered = await fuse(50_000);
    expect(answered.status).toBe(200);
    expect((await answered.arrayBuffer()).byteLength).toBeGreaterThan(200_000);
    expect(await worker.snapshot()).toBe(before);
  });

  it("is refused as a probe, with what it would need", async () => {
    const model = JSON.stringify({ architecture: "mlp", input: [500], hidden: [1998], classes: 2 });
    const shapes: [string, number[]][] = [
      ["hidden_0/bias", [1998]],
      ["hidden_0/kernel", [500, 1998]],
      ["output/bias", [2]],
      ["output/kernel", [1998, 2]],
    ];
    const file = (value: number) =>
      encodeSafetensors(
        new Map(
          shapes.map(([name, shape]) => {
            const values = new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(value);
            return [name, { dtype: "F32" as const, shape, data: new Uint8Array(values.buffer) }];
          }),
        ),
        { "edgefuse.model": model },
      );
    const [from, to] = [await client.uploadCheckpoint(file(0.1)), await client.uploadCheckpoint(file(0.2))];
    const { id: shard } = await client.uploadShard(
      encodeShard({
        count: 1,
        inputShape: [500],
        x: new Float32Array(500),
        y: new Int32Array([0]),
        scale: 1,
        offset: 0,
      }),
    );
    const before = await worker.snapshot();
    const refused = await worker.fetch("/v1/probes", {
      method: "POST",
      body: JSON.stringify({ a: from.id, b: to.id, shards: [shard] }),
      headers: { "content-type": "application/json" },
    });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([422, null]);
    const problem: unknown = await refused.json();
    expectTooLarge(problem, {});
    expect((problem as TooLarge).neededBytes).toBeGreaterThan(4 * from.bytes);
    expect(await worker.snapshot()).toBe(before);
  });
});
