import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EdgefuseClient, type FusionDescription } from "../../shared/api/index.ts";
import { expectedFusion } from "../support/expected-fusion.ts";
import { largeCheckpoint } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

const ELEMENTS = 400_000;
let worker: WorkerHarness;
let client: EdgefuseClient;

beforeAll(async () => {
  worker = await startWorker({ vars: { EDGEFUSE_INLINE_BYTES: "1000000" } });
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
});
afterAll(() => worker.close());

let seed = 100;
let files: Uint8Array<ArrayBuffer>[];
let ids: string[];
beforeEach(async () => {
  files = [largeCheckpoint(ELEMENTS, seed++), largeCheckpoint(ELEMENTS, seed++)];
  ids = [];
  for (const file of files) ids.push((await client.uploadCheckpoint(file)).id);
});

const recipeOf = (method = "linear", more: object = {}) => ({
  method,
  inputs: ids.map((checkpoint) => ({ checkpoint })),
  ...more,
});
const post = async (recipe: unknown, materialize: "lazy" | "eager") => {
  const answer = await worker.fetch("/v1/fusions", {
    method: "POST",
    body: JSON.stringify({ recipe, materialize }),
    headers: { "content-type": "application/json" },
  });
  return { status: answer.status, fusion: (await answer.json()) as FusionDescription };
};
const read = (id: string, range?: string) =>
  fetch(`${worker.url}/models/${id}/model.safetensors`, { headers: range === undefined ? {} : { range } });
const keyOf = (id = "") => `checkpoints/${id}.safetensors`;

/** Another file of the same length, as an S3 client might put in a checkpoint's place. */
async function replace(id = ""): Promise<void> {
  await worker.environment.BUCKET.put(keyOf(id), largeCheckpoint(ELEMENTS, seed++));
}

/** As if the worker had been killed long ago, in the middle of making the model. */
async function leaveRunning(id: string): Promise<void> {
  const { success } = await worker.environment.CATALOG.prepare(
    "UPDATE fusions SET state = 'running', attempt = 1, updated_at = '2020-01-01T00:00:00.000Z' WHERE id = ?",
  )
    .bind(id)
    .run();
  expect(success).toBe(true);
}

describe("an input that is replaced after a fusion was planned", () => {
  it("is not read by a lazy model: no two ranges are of different files", async () => {
    const { fusion } = await post(recipeOf(), "lazy");
    const first = await read(fusion.id, "bytes=0-99999");
    expect(first.status).toBe(206);
    await first.arrayBuffer();
    await replace(ids[1]);
    const before = await worker.snapshot();
    // The plan may be kept from before, or made again: both must refuse.
    for (const range of ["bytes=100000-199999", "bytes=0-99999", undefined]) {
      const refused = await read(fusion.id, range);
      expect([refused.status, await refused.json()]).toEqual([
        409,
        expect.objectContaining({ code: "input-changed", key: keyOf(ids[1]) }),
      ]);
    }
    expect(await worker.snapshot()).toBe(before);
    // The very same bytes again are the very same version.
    await worker.environment.BUCKET.put(keyOf(ids[1]), files[1] ?? new Uint8Array());
    const whole = await read(fusion.id);
    expect(Buffer.compare(new Uint8Array(await whole.arrayBuffer()), await expectedFusion(files, recipeOf()))).toBe(0);
  });

  it("fails a fusion that another attempt takes over, and nothing of it remains", async () => {
    const { fusion } = await post(recipeOf("slerp", { parameters: { t: 0.25 } }), "lazy");
    await leaveRunning(fusion.id);
    await replace(ids[0]);
    const ended = await client.waitForFusion(fusion.id);
    expect(ended).toMatchObject({
      state: "failed",
      sha256: null,
      problem: { code: "input-changed", status: 409, key: keyOf(ids[0]) },
    });
    await expect
      .poll(async () => (await worker.environment.BUCKET.list({ prefix: `models/${fusion.id}` })).objects)
      .toEqual([]);
    const row = await worker.environment.CATALOG.prepare("SELECT upload_id, attempt FROM fusions WHERE id = ?")
      .bind(fusion.id)
      .first();
    expect(row).toEqual({ upload_id: null, attempt: 2 });
  });

  it("does not stand in the way of an attempt where nothing was replaced", async () => {
    const recipe = recipeOf("slerp", { parameters: { t: 0.75 } });
    const { fusion } = await post(recipe, "lazy");
    await leaveRunning(fusion.id);
    expect((await client.waitForFusion(fusion.id)).state).toBe("succeeded");
    const model = await client.fetchModel(fusion.id);
    expect(Buffer.compare(model, await expectedFusion(files, recipe))).toBe(0);
  });

  it("is taken as it is by whoever asks anew, with statistics of its own", async () => {
    const recipe = recipeOf("slerp", { parameters: { t: 0.5 } });
    const { fusion } = await post(recipe, "lazy");
    await (await read(fusion.id, "bytes=4000-4999")).arrayBuffer();
    const statistics = `models/${fusion.id}/statistics.json`;
    expect(await worker.environment.BUCKET.head(statistics)).not.toBeNull();
    await replace(ids[0]);
    const again = await post(recipe, "lazy");
    expect([again.status, again.fusion.state]).toEqual([200, "lazy"]);
    expect(await worker.environment.BUCKET.head(statistics)).toBeNull();
    await expect.poll(async () => (await read(fusion.id, "bytes=4000-4999")).status).toBe(206);
  });
});

describe("a cancelled fusion", () => {
  it("says so to who reads the model, until it is asked for anew", async () => {
    const recipe = recipeOf("linear", { dtype: "F64" });
    const { fusion } = await post(recipe, "lazy");
    await worker.environment.CATALOG.prepare("UPDATE fusions SET state = 'queued', updated_at = ? WHERE id = ?")
      .bind(new Date(Date.now() + 3_600_000).toISOString(), fusion.id)
      .run();
    expect(await client.cancelFusion(fusion.id)).toMatchObject({ state: "cancelled" });
    const before = await worker.snapshot();
    for (const name of ["model.safetensors", "weights.bin", "model.json", "manifest.json", "x-00001-of-00002.txt"]) {
      const refused = await fetch(`${worker.url}/models/${fusion.id}/${name}`);
      const found = name.startsWith("x") ? [404, "not-found"] : [409, "fusion-cancelled"];
      expect([name, refused.status, ((await refused.json()) as { code: string }).code]).toEqual([name, ...found]);
    }
    expect(await client.waitForFusion(fusion.id)).toMatchObject({ state: "cancelled", problem: null });
    expect(await worker.snapshot()).toBe(before);

    const again = await post(recipe, "lazy");
    expect([again.status, again.fusion.state, again.fusion.id]).toEqual([200, "lazy", fusion.id]);
    const whole = await read(fusion.id);
    expect(Buffer.compare(new Uint8Array(await whole.arrayBuffer()), await expectedFusion(files, recipe))).toBe(0);
  });
});
