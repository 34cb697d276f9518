import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EdgefuseClient } from "../../shared/api/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { type CdnWorld, SHARDED, sha256, startCdnWorld, wideModel } from "../support/cdn-world.ts";
import { linearModel } from "../support/checkpoint-files.ts";
import type { WorkerHarness } from "../support/worker-harness.ts";

let world: CdnWorld;
let worker: WorkerHarness;
let client: EdgefuseClient;
let plain: ModelId;
let sharded: ModelId;
const fuse: CdnWorld["fuse"] = (...parameters) => world.fuse(...parameters);
const get: CdnWorld["get"] = (...parameters) => world.get(...parameters);
const read: CdnWorld["read"] = (...parameters) => world.read(...parameters);

beforeAll(async () => {
  world = await startCdnWorld();
  ({ worker, client, plain, sharded } = world);
});
afterAll(() => worker.close());

describe("the cache of a data centre", () => {
  const forms = (id: ModelId, files: readonly string[]) => files.map((file) => `/models/${id}/${file}`);

  it("serves what was public and stored, whole and by ranges, without the bucket", async () => {
    const paths = [
      ...forms(plain, ["model.safetensors", "weights.bin", "model.json", "config.json"]),
      ...forms(
        sharded,
        SHARDED.filter((file) => file !== "manifest.json"),
      ),
    ];
    const before = new Map<string, Awaited<ReturnType<typeof read>>>();
    for (const path of paths) before.set(path, await read(path));
    await expect
      .poll(
        async () => {
          // The cache is filled behind the answers.
          await new Promise((resolve) => setTimeout(resolve, 300));
          const kept = new Map<string, Uint8Array>();
          for (const id of [plain, sharded]) {
            const object = await worker.environment.BUCKET.get(`models/${id}/model.safetensors`);
            kept.set(id, new Uint8Array((await object?.arrayBuffer()) ?? new ArrayBuffer(0)));
            await worker.environment.BUCKET.delete(`models/${id}/model.safetensors`);
          }
          try {
            for (const [path, { bytes, response }] of before) {
              const cached = await read(path);
              if (cached.response.status !== 200) return `${path}: ${cached.response.status}`;
              expect([path, sha256(cached.bytes)]).toEqual([path, sha256(bytes)]);
              for (const field of ["etag", "cache-control", "content-type", "repr-digest", "vary", "content-length"]) {
                expect([path, cached.response.headers.get(field)]).toEqual([path, response.headers.get(field)]);
              }
              const part = await read(path, { range: "bytes=3-6" });
              expect([path, part.response.status, part.response.headers.get("content-range")]).toEqual([
                path,
                206,
                `bytes 3-6/${bytes.length}`,
              ]);
              expect(part.bytes).toEqual(bytes.slice(3, 7));
              const tail = await read(path, { range: "bytes=-2" });
              expect(tail.bytes).toEqual(bytes.slice(-2));
            }
            return "all";
          } finally {
            for (const [id, bytes] of kept) {
              await worker.environment.BUCKET.put(`models/${id}/model.safetensors`, bytes);
            }
          }
        },
        { timeout: 30_000 },
      )
      .toBe("all");
  });

  it("is not where a client can ask for it", async () => {
    const { sha256: digest, bytes } = await client.describeFusion(plain);
    expect((await get(`/.edge/${digest}/0-${bytes}`)).status).toBe(404);
  });

  it("never holds a private model", async () => {
    const secret = await fuse([linearModel([8, 8, 8, 8, 8, 8, 8, 8], [5, 5])], { visibility: "private" });
    const files = ["model.safetensors", "weights.bin", "model.json", "config.json", "manifest.json"];
    for (const path of forms(secret, files)) {
      for (const headers of [{}, { range: "bytes=0-3" }] as Record<string, string>[]) {
        const response = await worker.fetch(path, { headers });
        expect([path, response.status]).toEqual([path, "range" in headers ? 206 : 200]);
        expect(response.headers.get("cache-control")).toMatch(/^private, /);
        expect(response.headers.get("vary")).toBe("Authorization, Accept-Encoding");
        await response.arrayBuffer();
        for (const method of ["GET", "HEAD"]) {
          const anonymous = await get(path, { ...headers, "if-none-match": "*" }, method);
          expect([path, method, anonymous.status]).toEqual([path, method, 404]);
          await anonymous.body?.cancel();
        }
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    await worker.environment.BUCKET.delete(`models/${secret}/model.safetensors`);
    const gone = await worker.fetch(`/models/${secret}/weights.bin`);
    expect([gone.status, await gone.json()]).toEqual([404, expect.objectContaining({ code: "object-not-found" })]);
  });
});

describe("a public model that is deleted", () => {
  it("is gone at once, and as a private one is for nobody who read it before", async () => {
    const files = [linearModel([6, 5, 4, 3, 2, 1, 0, 1], [3, 3])];
    const id = await fuse(files);
    const path = `/models/${id}/weights.bin`;
    for (let reads = 0; reads < 3; reads++) expect((await read(path)).response.status).toBe(200);
    expect((await worker.fetch(`/v1/models/${id}`, { method: "DELETE" })).status).toBe(204);
    expect((await read(path)).response.status).toBe(404);
    expect(await fuse(files, { visibility: "private" })).toBe(id);
    for (const headers of [{}, { range: "bytes=0-3" }, { "if-none-match": "*" }] as Record<string, string>[]) {
      expect((await read(path, headers)).response.status).toBe(404);
    }
    const allowed = await worker.fetch(path);
    expect([allowed.status, (await allowed.arrayBuffer()).byteLength]).toEqual([200, 40]);
  });
});

describe("a lazy model", () => {
  it("has the same bytes and tags before and after it is stored, in every form", async () => {
    for (const [seed, files] of [
      [20, ["model.safetensors", "weights.bin", "model.json", "config.json"]],
      [21, SHARDED.filter((file) => file !== "manifest.json")],
    ] as const) {
      const inputs = seed === 20 ? [linearModel([seed, 1, 1, 1, 1, 1, 1, 1], [0, 0])] : [wideModel(seed)];
      const id = await fuse(inputs, { materialize: "lazy" });
      const look = async () => {
        const seen: unknown[] = [];
        for (const file of files) {
          const part = await read(`/models/${id}/${file}`, { range: "bytes=1-6" });
          seen.push([file, part.response.status, part.response.headers.get("etag"), sha256(part.bytes)]);
        }
        // Last: reading all of the one file is what stores it.
        for (const file of [...files].reverse()) {
          const { response, bytes } = await read(`/models/${id}/${file}`);
          seen.push([file, response.status, response.headers.get("etag"), sha256(bytes)]);
        }
        return seen;
      };
      const before = await look();
      expect((await worker.fetch(`/v1/fusions/${id}`)).status).toBe(200);
      await fuse(inputs);
      await expect.poll(async () => (await client.describeFusion(id)).state, { timeout: 20_000 }).toBe("succeeded");
      expect(await look()).toEqual(before);
    }
  });
});
