import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { f32Checkpoint, linearModel } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
});
afterAll(() => worker.close());

const upload = async (file: Uint8Array<ArrayBuffer>) => (await client.uploadCheckpoint(file)).id;
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const digestField = (bytes: Uint8Array) => `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;
const linear = (checkpoints: readonly string[], more: object = {}) => ({
  recipe: { method: "linear" as const, inputs: checkpoints.map((checkpoint) => ({ checkpoint })), ...more },
});

describe("a published model", () => {
  let id: string;
  let file: Uint8Array<ArrayBuffer>;
  const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    // wrangler's proxy compresses JSON in spite of no-transform; asked for identity it does not.
    fetch(`${worker.url}/models/${id}/${path}`, { method, headers: { "accept-encoding": "identity", ...headers } });

  beforeAll(async () => {
    const inputs = [
      await upload(linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 0])),
      await upload(linearModel([3, 2, 1, 0, 1, 2, 3, 4], [0, 1])),
    ];
    const fusion = await client.createFusion(linear(inputs));
    id = fusion.id;
    file = await client.fetchModel(fusion.id);
  });

  it.each(["model.safetensors", "manifest.json", "model.json", "weights.bin"])("serves %s to anyone", async (name) => {
    const response = await get(name, { origin: "https://elsewhere.example" });
    const body = new Uint8Array(await response.arrayBuffer());
    // What is computed before it is stored is tagged by its recipe; what is small, by its bytes.
    const tags: Record<string, string> = { "model.safetensors": `"model-${id}"`, "weights.bin": `"weights-${id}"` };
    const etag = tags[name] ?? `"sha256-${sha256(body)}"`;
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag,
      "accept-ranges": "bytes",
      "cache-control": "public, max-age=31536000, immutable, no-transform",
      "repr-digest": digestField(body),
      "content-length": String(body.length),
      "access-control-allow-origin": "*",
      "x-content-type-options": "nosniff",
    });
    const exposed = response.headers.get("access-control-expose-headers") ?? "";
    for (const header of ["ETag", "Content-Range", "Accept-Ranges", "Repr-Digest", "Content-Length"]) {
      expect(exposed.split(",")).toContain(header);
    }
    const head = await get(name, { range: "bytes=0-0" }, "HEAD");
    expect([head.status, head.headers.get("content-length"), head.headers.get("etag")]).toEqual([
      200,
      String(body.length),
      etag,
    ]);
    expect((await head.arrayBuffer()).byteLength).toBe(0);

    const fresh = await get(name, { "if-none-match": `"other", W/${etag}` });
    expect([fresh.status, fresh.headers.get("etag"), await fresh.text()]).toEqual([304, etag, ""]);
    expect((await get(name, { "if-none-match": '"other"' })).status).toBe(200);

    const part = await get(name, { range: "bytes=2-5" });
    expect([part.status, part.headers.get("content-range")]).toEqual([206, `bytes 2-5/${body.length}`]);
    expect(part.headers.get("repr-digest")).toBe(digestField(body));
    expect(new Uint8Array(await part.arrayBuffer())).toEqual(body.slice(2, 6));
    const tail = await get(name, { range: "bytes=-3" });
    expect(new Uint8Array(await tail.arrayBuffer())).toEqual(body.slice(-3));
    const stale = await get(name, { range: "bytes=2-5", "if-range": '"other"' });
    expect([stale.status, (await stale.arrayBuffer()).byteLength]).toEqual([200, body.length]);
    const current = await get(name, { range: "bytes=2-5", "if-range": etag });
    expect([current.status, (await current.arrayBuffer()).byteLength]).toEqual([206, 4]);

    const beyond = await get(name, { range: `bytes=${body.length}-` });
    expect([beyond.status, beyond.headers.get("content-range")]).toEqual([416, `bytes */${body.length}`]);
    expect(await beyond.json()).toMatchObject({ code: "range-not-satisfiable" });
  });

  it("answers a browser's preflight", async () => {
    const preflight = await get(
      "weights.bin",
      {
        origin: "https://elsewhere.example",
        "access-control-request-method": "GET",
        "access-control-request-headers": "range",
      },
      "OPTIONS",
    );
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect(preflight.headers.get("access-control-allow-headers")?.toLowerCase()).toContain("range");
  });

  it("has weights.bin as the data section of the same bytes, described by model.json", async () => {
    const weights = new Uint8Array(await (await get("weights.bin")).arrayBuffer());
    const { header } = decodeSafetensors(file);
    expect(weights).toEqual(file.slice(header.dataOffset));
    const model = (await (await get("model.json")).json()) as Record<string, unknown>;
    expect(model).toMatchObject({
      format: "layers-model",
      modelTopology: { class_name: "Sequential" },
      weightsManifest: [
        {
          paths: ["weights.bin"],
          weights: header.tensors.map(({ name, shape }) => ({ name, shape, dtype: "float32" })),
        },
      ],
    });
  });

  it("has no TF.js form where there is no architecture, or a dtype that TF.js cannot read", async () => {
    const plain = await client.createFusion(linear([await upload(f32Checkpoint({ w: [7] }))]));
    const noTopology = await fetch(client.modelUrl(plain.id, "model.json"));
    expect([noTopology.status, await noTopology.json()]).toEqual([
      409,
      expect.objectContaining({ code: "form-unavailable" }),
    ]);
    const { id: bfloat16, links } = await client.createFusion(
      linear([await upload(linearModel([1, 2, 3, 4, 5, 6, 7, 9], [1, 0]))], { dtype: "BF16" }),
    );
    expect(links.topology).toBeNull();
    for (const name of ["model.json", "weights.bin"] as const) {
      expect((await fetch(client.modelUrl(bfloat16, name))).status).toBe(409);
    }
  });

  it("is 404 where there is none", async () => {
    const nothing = await fetch(`${worker.url}/models/${"0".repeat(64)}/model.safetensors`);
    expect([nothing.status, nothing.headers.get("cache-control"), await nothing.json()]).toEqual([
      404,
      "no-store",
      expect.objectContaining({ code: "model-not-found" }),
    ]);
    expect((await fetch(`${worker.url}/models/not-an-id/model.safetensors`)).status).toBe(400);
    expect((await worker.fetch(`/v1/fusions/${"0".repeat(64)}`)).status).toBe(404);
  });
});
