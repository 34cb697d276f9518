import { createHash } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { FusionDescription } from "../../shared/api/index.ts";
import { expectedFusion } from "../support/expected-fusion.ts";
import { largeCheckpoint, linearModel } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

const ELEMENTS = 1_500_000;
let worker: WorkerHarness;
let client: EdgefuseClient;

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
});
afterAll(() => worker.close());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const upload = async (file: Uint8Array<ArrayBuffer>) => (await client.uploadCheckpoint(file)).id;
const post = (recipe: unknown, materialize?: "lazy") =>
  worker.fetch("/v1/fusions", {
    method: "POST",
    body: JSON.stringify({ recipe, ...(materialize === undefined ? {} : { materialize }) }),
    headers: { "content-type": "application/json" },
  });
const linear = (checkpoints: readonly string[]) => ({
  method: "linear",
  inputs: checkpoints.map((checkpoint, index) => ({ checkpoint, weight: index + 1 })),
});
const get = (id: string, name: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(`${worker.url}/models/${id}/${name}`, { method, headers: { "accept-encoding": "identity", ...headers } });

/** A fixed shuffle, so that a failure can be seen again. */
const shuffled = <Item>(items: readonly Item[]) =>
  items
    .map((item, index) => ({ item, order: Math.sin(index * 12.9898) }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ item }) => item);

describe("a lazy model", () => {
  it("is read by ranges in any order, and by a full read, which stores it: the same bytes and the same ETag", async () => {
    const files = [1, 2].map((seed) => largeCheckpoint(ELEMENTS, seed));
    const inputs = [];
    for (const file of files) inputs.push(await upload(file));
    const recipe = linear(inputs);
    const expected = await expectedFusion(files, recipe);
    const created = await post(recipe, "lazy");
    const fusion = (await created.json()) as FusionDescription;
    const { id } = fusion;
    expect([created.status, created.headers.get("location"), fusion.state, fusion.sha256]).toEqual([
      201,
      `/models/${id}/model.safetensors`,
      "lazy",
      null,
    ]);
    const again = await post(recipe, "lazy");
    expect([again.status, await again.json()]).toEqual([200, fusion]);

    const head = await get(id, "model.safetensors", {}, "HEAD");
    expect([head.status, head.headers.get("content-length"), head.headers.get("repr-digest")]).toEqual([
      200,
      String(expected.length),
      null,
    ]);
    const etag = head.headers.get("etag");
    const manifest = await get(id, "manifest.json");
    expect([manifest.status, await manifest.json()]).toEqual([
      409,
      expect.objectContaining({ code: "not-materialized", state: "lazy" }),
    ]);

    const assembled = new Uint8Array(expected.length);
    const size = 333_331;
    const begins = Array.from({ length: Math.ceil(expected.length / size) }, (_, index) => index * size);
    await Promise.all(
      [0, 1].map(async (half) => {
        for (const begin of shuffled(begins).filter((_, index) => index % 2 === half)) {
          const end = Math.min(expected.length, begin + size);
          const part = await get(id, "model.safetensors", { range: `bytes=${begin}-${end - 1}` });
          expect([part.status, part.headers.get("etag"), part.headers.get("content-range")]).toEqual([
            206,
            etag,
            `bytes ${begin}-${end - 1}/${expected.length}`,
          ]);
          assembled.set(new Uint8Array(await part.arrayBuffer()), begin);
        }
      }),
    );
    expect(sha256(assembled)).toBe(sha256(expected));
    // Ranges store nothing.
    expect((await worker.environment.BUCKET.list({ prefix: "models/" })).objects).toEqual([]);
    expect((await get(id, "model.safetensors", { "if-none-match": etag ?? "" })).status).toBe(304);

    const full = await get(id, "model.safetensors");
    expect(full.headers.get("content-length")).toBe(String(expected.length));
    expect(sha256(new Uint8Array(await full.arrayBuffer()))).toBe(sha256(expected));
    await expect.poll(async () => (await client.describeFusion(id)).state, { timeout: 20_000 }).toBe("succeeded");
    const stored = await get(id, "model.safetensors");
    expect(stored.headers.get("etag")).toBe(etag);
    expect(stored.headers.get("repr-digest")).not.toBeNull();
    expect(sha256(new Uint8Array(await stored.arrayBuffer()))).toBe(sha256(expected));
    expect(await client.fetchManifest(id)).toMatchObject({
      path: "lazy",
      sha256: sha256(expected),
      elements: ELEMENTS,
    });
    expect((await post(recipe)).status).toBe(200);
  });

  it("has its TF.js form before it is stored, and the same afterwards", async () => {
    const inputs = [
      await upload(linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 0])),
      await upload(linearModel([3, 2, 1, 0, 1, 2, 3, 4], [0, 1])),
    ];
    const { id } = (await (await post(linear(inputs), "lazy")).json()) as FusionDescription;
    const forms = async () =>
      Promise.all(
        ["model.json", "weights.bin"].map(async (name) => {
          const response = await get(id, name);
          return [response.status, response.headers.get("etag"), sha256(new Uint8Array(await response.arrayBuffer()))];
        }),
      );
    const before = await forms();
    expect(before.map(([status]) => status)).toEqual([200, 200]);
    const eager = await post(linear(inputs));
    expect([eager.status, ((await eager.json()) as FusionDescription).state]).toEqual([201, "succeeded"]);
    expect(await forms()).toEqual(before);
  });

  it("breaks the transfer where a value is not finite, and never sends a short or padded file", async () => {
    const broken = largeCheckpoint(ELEMENTS, 3);
    new DataView(broken.buffer).setFloat32(broken.length - 8, Number.NaN, true);
    const inputs = [await upload(largeCheckpoint(ELEMENTS, 4)), await upload(broken)];
    const { id, bytes } = (await (await post(linear(inputs), "lazy")).json()) as FusionDescription;
    const received = await readToTheEnd(`/models/${id}/model.safetensors`);
    expect(received.head).toMatch(/^HTTP\/1\.1 (200|500|502)/);
    expect(received.bodyBytes).toBeLessThan(bytes);
    expect((await worker.environment.BUCKET.list({ prefix: `models/${id}` })).objects).toEqual([]);
    expect((await client.describeFusion(id)).state).toBe("lazy");
    // Where the fault shows at once, it is a problem and not a broken transfer.
    const late = await get(id, "model.safetensors", { range: "bytes=-16" });
    expect([late.status, await late.json()]).toEqual([422, expect.objectContaining({ code: "non-finite-values" })]);
    // What is sound can be read all the same.
    expect((await get(id, "model.safetensors", { range: "bytes=0-99999" })).status).toBe(206);
  });
});

/** Reads an answer off the wire, so that a broken transfer is seen as it is. */
async function readToTheEnd(path: string): Promise<{ head: string; bodyBytes: number }> {
  const { hostname, port } = new URL(worker.url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\naccept-encoding: identity\r\nconnection: close\r\n\r\n`);
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of socket) chunks.push(chunk as Buffer);
  } catch {
    // Reset by the other side: that is a broken transfer.
  }
  const all = Buffer.concat(chunks);
  const blank = all.indexOf("\r\n\r\n");
  return { head: all.subarray(0, blank).toString("latin1"), bodyBytes: all.length - blank - 4 };
}
