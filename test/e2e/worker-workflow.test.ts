import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient, type FusionDescription } from "../../shared/api/index.ts";
import { expectedFusion } from "../support/expected-fusion.ts";
import { largeCheckpoint } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

/** 40 MiB of output, and a header: six parts. */
const ELEMENTS = 10 * 2 ** 20;
const PARTS = 6;
let worker: WorkerHarness;
let client: EdgefuseClient;

beforeAll(async () => {
  worker = await startWorker({ vars: { EDGEFUSE_INLINE_BYTES: "1000000" } });
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
});
afterAll(() => worker.close());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const upload = async (file: Uint8Array<ArrayBuffer>) => (await client.uploadCheckpoint(file)).id;
const post = (recipe: unknown) =>
  worker.fetch("/v1/fusions", {
    method: "POST",
    body: JSON.stringify({ recipe }),
    headers: { "content-type": "application/json" },
  });
const linear = (checkpoints: readonly string[], more: object = {}) => ({
  method: "linear",
  inputs: checkpoints.map((checkpoint, index) => ({ checkpoint, weight: index + 1 })),
  ...more,
});
const look = async (id: string) => (await (await worker.fetch(`/v1/fusions/${id}`)).json()) as FusionDescription;

async function until(id: string, condition: (fusion: FusionDescription) => boolean): Promise<FusionDescription> {
  for (;;) {
    const fusion = await look(id);
    if (condition(fusion)) return fusion;
    await sleep(20);
  }
}

/** Nothing of a model: no object, no part in the journal, no multipart upload that could still be completed. */
async function expectNothingLeft(id: string, uploadId: string, part: { partNumber: number; etag: string }) {
  const { BUCKET, CATALOG } = worker.environment;
  const { objects } = await BUCKET.list();
  expect(objects.filter(({ key }) => !key.startsWith("checkpoints/"))).toEqual([]);
  expect((await CATALOG.prepare("SELECT * FROM fusion_parts WHERE fusion = ?").bind(id).all()).results).toEqual([]);
  const revived = BUCKET.resumeMultipartUpload(`models/${id}/model.safetensors`, uploadId).complete([part]);
  await expect(Promise.resolve(revived)).rejects.toThrow();
}

/** The upload of a running fusion and one of its parts, from behind the worker's back, as soon as there is one. */
async function uploadOf(id: string) {
  const { CATALOG } = worker.environment;
  for (;;) {
    const row = await CATALOG.prepare("SELECT upload_id, number, etag FROM fusion_parts WHERE fusion = ?")
      .bind(id)
      .first<{ upload_id: string; number: number; etag: string }>();
    if (row !== null) return { uploadId: row.upload_id, part: { partNumber: row.number, etag: row.etag } };
    await sleep(10);
  }
}

describe("a fusion that is too large for one request", () => {
  let inputs: string[];
  let files: Uint8Array<ArrayBuffer>[];

  beforeAll(async () => {
    files = [1, 2].map((seed) => largeCheckpoint(ELEMENTS, seed));
    inputs = [];
    for (const file of files) inputs.push(await upload(file));
  });

  it("can be cancelled half-way, and nothing remains", async () => {
    // Many inputs and a wide output, so that there is time to cancel.
    const answer = await post(
      linear(
        Array.from({ length: 12 }, (_, index) => inputs[index % 2] ?? ""),
        { dtype: "F64" },
      ),
    );
    const { id } = (await answer.json()) as FusionDescription;
    expect(answer.status).toBe(202);
    const { uploadId, part } = await uploadOf(id);
    const cancelled = await worker.fetch(`/v1/fusions/${id}`, { method: "DELETE" });
    expect([cancelled.status, await cancelled.json()]).toEqual([
      200,
      expect.objectContaining({ state: "cancelled", sha256: null }),
    ]);
    // What was under way when it was cancelled has an end too.
    await sleep(1_000);
    await expectNothingLeft(id, uploadId, part);
    const again = await worker.fetch(`/v1/fusions/${id}`, { method: "DELETE" });
    expect([again.status, await again.json()]).toEqual([409, expect.objectContaining({ code: "fusion-finished" })]);
    const read = await worker.fetch(`/models/${id}/model.safetensors`);
    expect([read.status, await read.json()]).toEqual([409, expect.objectContaining({ code: "fusion-cancelled" })]);
  });

  it("answers 202, shows its progress, and makes the bytes that the core makes", async () => {
    const recipe = linear([0, 1, 0, 1].map((index) => inputs[index] ?? ""));
    const expected = await expectedFusion(files, recipe);
    // Two clients at once: one fusion.
    const answers = await Promise.all([post(recipe), post(recipe)]);
    const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as FusionDescription[];
    const id = bodies[0]?.id ?? "";
    for (const [index, answer] of answers.entries()) {
      expect([answer.status, answer.headers.get("location"), answer.headers.get("retry-after")]).toEqual([
        202,
        `/v1/fusions/${id}`,
        "1",
      ]);
      expect(["queued", "running"]).toContain(bodies[index]?.state);
    }
    const events = await worker.fetch(`/v1/fusions/${id}/events`);
    expect(events.headers.get("content-type")).toContain("text/event-stream");
    const stream = await events.text();
    const told = Array.from(stream.matchAll(/^event: (\w+)\ndata: (.*)\nid: (.*)$/gm), ([, event, data, name]) => ({
      event,
      name,
      fusion: JSON.parse(data ?? "") as FusionDescription,
    }));
    expect(told.at(-1)).toMatchObject({ event: "end", fusion: { state: "succeeded" } });
    expect(new Set(told.map(({ name }) => name)).size).toBe(told.length);
    const done = told.map(({ fusion }) => fusion.progress.bytesDone);
    expect(done).toEqual(done.toSorted((a, b) => a - b));

    const fusion = await look(id);
    expect(fusion).toMatchObject({
      state: "succeeded",
      sha256: sha256(expected),
      progress: { bytesDone: expected.length, bytes: expected.length, partsDone: PARTS, parts: PARTS },
    });
    expect(sha256(await client.fetchModel(id as never))).toBe(sha256(expected));
    const manifest = await client.fetchManifest(id as never);
    expect(manifest).toMatchObject({ path: "workflow", elements: ELEMENTS, sha256: sha256(expected) });
    expect(manifest.parts.sha256).toEqual(
      Array.from({ length: PARTS }, (_, part) =>
        sha256(expected.subarray(part * manifest.parts.bytes, (part + 1) * manifest.parts.bytes)),
      ),
    );
    const { results } = await worker.environment.CATALOG.prepare("SELECT id FROM fusions WHERE id = ?").bind(id).all();
    expect(results).toEqual([]);
  });

  it("that fails half-way says why, and leaves nothing", async () => {
    const broken = largeCheckpoint(ELEMENTS, 3);
    const at = ELEMENTS - 2;
    new DataView(broken.buffer).setFloat32(broken.length - 8, Number.NaN, true);
    const before = (await worker.environment.BUCKET.list()).objects.map(({ key }) => key);
    const bad = await upload(broken);
    const { id } = (await (await post(linear([inputs[0] ?? "", bad]))).json()) as FusionDescription;
    const failed = await until(id, ({ state }) => state === "failed");
    expect(failed).toMatchObject({
      sha256: null,
      problem: { code: "non-finite-values", status: 422, tensor: "w", index: at, input: bad },
    });
    const keys = (await worker.environment.BUCKET.list()).objects.map(({ key }) => key);
    await expect
      .poll(async () => (await worker.environment.BUCKET.list()).objects.map(({ key }) => key))
      .toEqual([...before, `checkpoints/${bad}.safetensors`].toSorted());
    expect(keys.some((key) => key.startsWith(`models/${id}`))).toBe(false);
    const row = await worker.environment.CATALOG.prepare("SELECT upload_id FROM fusions WHERE id = ?")
      .bind(id)
      .first<{ upload_id: string | null }>();
    expect(row?.upload_id).toBeNull();
    expect((await worker.fetch(`/models/${id}/model.safetensors`)).status).toBe(404);
  });
});

describe("a method that needs statistics", () => {
  it.each([
    ["slerp", { t: 0.3 }, false],
    ["ties", { density: 0.5 }, true],
  ])("%s comes out of a Workflow as it comes out of the core", async (method, parameters, hasBase) => {
    const files = [1, 2, 3].map((seed) => largeCheckpoint(300_000, 10 * seed + method.length));
    const ids: string[] = [];
    for (const file of files) ids.push(await upload(file));
    const [base, ...members] = ids;
    const recipe = {
      method,
      inputs: members.map((checkpoint) => ({ checkpoint })),
      ...(hasBase ? { base } : {}),
      parameters,
    };
    const { id } = (await (await post(recipe)).json()) as FusionDescription;
    const fusion = await client.waitForFusion(id as never);
    expect(fusion).toMatchObject({ state: "succeeded", sha256: sha256(await expectedFusion(files, recipe)) });
    expect(await worker.environment.BUCKET.head(`models/${id}/statistics.json`)).not.toBeNull();
    expect((await worker.environment.BUCKET.list({ prefix: "staging/" })).objects).toEqual([]);
  });
});
