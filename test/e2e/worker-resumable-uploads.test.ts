import { createHash } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { CreateUploadRequest, UploadDescription } from "../../shared/api/uploads.ts";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import { f32Checkpoint, largeCheckpoint } from "../support/checkpoint-files.ts";
import { beginUpload, json, MIB, partOf, problemOf, sha256 } from "../support/upload-parts.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

const field = (bytes: Uint8Array) => `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;

/** 20 MB: two parts of 8 MiB and one that is shorter. */
const LARGE = largeCheckpoint(5_000_000, 1);
const PARTS = 3;

let worker: WorkerHarness;
let before = "";

beforeAll(async () => {
  worker = await startWorker();
}, 300_000);
afterAll(() => worker.close());
afterEach(async () => {
  // Whatever a test did, nothing waits in the staging area, and no part is kept of what has ended.
  const { objects } = await worker.environment.BUCKET.list({ prefix: "staging/" });
  expect(objects).toEqual([]);
});

const begin = (request: CreateUploadRequest) => beginUpload(request, worker);
const put = (id: string, number: number, body: BodyInit, headers: Record<string, string> = {}) =>
  worker.fetch(`/v1/uploads/${id}/parts/${number}`, {
    method: "PUT",
    body,
    headers,
    ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
  });
const complete = (id: string, body?: unknown) =>
  worker.fetch(`/v1/uploads/${id}/complete`, body === undefined ? { method: "POST" } : json(body));
const look = async (id: string) => (await (await worker.fetch(`/v1/uploads/${id}`)).json()) as UploadDescription;
async function sendAll(id: string, file: Uint8Array<ArrayBuffer>) {
  for (const number of [1, 2, 3]) {
    const part = partOf(file, number);
    if (part.length > 0) expect((await put(id, number, part)).status).toBe(200);
  }
}

/** The upload is gone from the bucket and the catalog, and nothing else has changed. */
async function isGone(id: string) {
  expect((await worker.fetch(`/v1/uploads/${id}`)).status).toBe(404);
  const { CATALOG } = worker.environment;
  expect((await CATALOG.prepare("SELECT * FROM uploads WHERE id = ?").bind(id).all()).results).toEqual([]);
  expect((await CATALOG.prepare("SELECT * FROM upload_parts WHERE upload = ?").bind(id).all()).results).toEqual([]);
  expect(await worker.snapshot()).toBe(before);
}

/** Whether the bucket still takes parts of the upload's multipart upload. */
async function multipartIdOf(id: string): Promise<string> {
  const row = await worker.environment.CATALOG.prepare("SELECT upload_id FROM uploads WHERE id = ?")
    .bind(id)
    .first<{ upload_id: string }>();
  return row?.upload_id ?? "";
}
const takesParts = async (id: string, multipartId: string) => {
  const upload = worker.environment.BUCKET.resumeMultipartUpload(`staging/uploads/${id}`, multipartId);
  return upload.uploadPart(1, new Uint8Array(8)).then(
    () => true,
    () => false,
  );
};

describe("a file in parts", () => {
  it("comes in any order, also twice, and is one object under its digest", async () => {
    const upload = await begin({ bytes: LARGE.length, name: "runs/large.safetensors" });
    expect(upload).toMatchObject({ kind: "checkpoint", state: "open", partBytes: 8 * MIB, parts: PARTS, received: [] });
    expect(upload.urls).toBeUndefined();
    for (const number of [3, 1, 2, 1, 3]) {
      const part = partOf(LARGE, number);
      const response = await put(upload.id, number, part, { "content-digest": field(part) });
      expect([response.status, await response.json()]).toEqual([
        200,
        { number, bytes: part.length, sha256: sha256(part) },
      ]);
    }
    expect((await look(upload.id)).received.map(({ number }) => number)).toEqual([1, 2, 3]);
    const done = await complete(upload.id);
    const id = sha256(LARGE);
    expect([done.status, done.headers.get("location")]).toEqual([201, `/v1/checkpoints/${id}`]);
    const body = await done.json();
    expect(body).toMatchObject({ id, bytes: LARGE.length, name: "large.safetensors" });
    expect(await (await worker.fetch(`/v1/checkpoints/${id}`)).json()).toEqual(body);
    const served = await worker.fetch(`/v1/checkpoints/${id}/model.safetensors`);
    expect(sha256(new Uint8Array(await served.arrayBuffer()))).toBe(id);

    // Whoever did not hear the answer asks again.
    const again = await complete(upload.id);
    expect([again.status, await again.json()]).toEqual([200, body]);
    expect(await look(upload.id)).toMatchObject({
      state: "completed",
      received: [],
      result: { id, href: `/v1/checkpoints/${id}` },
    });
    expect(await problemOf(await put(upload.id, 1, partOf(LARGE, 1)))).toMatchObject({ code: "upload-finished" });
    expect((await worker.fetch(`/v1/uploads/${upload.id}`, { method: "DELETE" })).status).toBe(204);
    expect((await worker.fetch(`/v1/checkpoints/${id}`)).status).toBe(200);
  });

  it.each([true, false])("is one object with the same bytes that came before (announced: %s)", async (announced) => {
    before = await worker.snapshot();
    const upload = await begin({ bytes: LARGE.length, ...(announced ? { sha256: sha256(LARGE) } : {}) });
    await sendAll(upload.id, LARGE);
    const done = await complete(upload.id);
    expect([done.status, ((await done.json()) as { id: string }).id]).toEqual([200, sha256(LARGE)]);
    // Not even a new version of the object.
    expect(await worker.snapshot()).toBe(before);
  });

  it("with an announced digest that is new is verified on its way", async () => {
    const file = largeCheckpoint(3_000_000, 2);
    const upload = await begin({ bytes: file.length, sha256: sha256(file) });
    await sendAll(upload.id, file);
    expect((await complete(upload.id)).status).toBe(201);
    const served = await worker.fetch(`/v1/checkpoints/${sha256(file)}/model.safetensors`);
    expect(sha256(new Uint8Array(await served.arrayBuffer()))).toBe(sha256(file));
  });

  it("of one part may be as small as a file can be, and of unknown length on its way", async () => {
    const file = f32Checkpoint({ w: [1, 2] });
    const upload = await begin({ bytes: file.length });
    expect((await put(upload.id, 1, new Blob([file]).stream())).status).toBe(200);
    expect((await complete(upload.id)).status).toBe(201);
  });

  it("may be a validation shard", async () => {
    const shard = encodeShard({
      count: 2,
      inputShape: [4],
      x: Float32Array.from({ length: 8 }, (_, index) => index / 8),
      y: Int32Array.from([0, 1]),
      scale: 1,
      offset: 0,
    });
    const upload = await begin({ kind: "shard", bytes: shard.length, sha256: sha256(shard) });
    expect((await put(upload.id, 1, shard)).status).toBe(200);
    const done = await complete(upload.id);
    expect([done.status, await done.json()]).toEqual([
      201,
      expect.objectContaining({ id: sha256(shard), samples: 2, inputShape: [4] }),
    ]);
  });

  it("is completed by several at once to one answer", async () => {
    const file = largeCheckpoint(4_500_000, 3);
    const upload = await begin({ bytes: file.length });
    await sendAll(upload.id, file);
    const answers = await Promise.all(Array.from({ length: 5 }, () => complete(upload.id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 201]);
    const bodies = await Promise.all(answers.map((answer) => answer.json()));
    for (const body of bodies) expect(body).toEqual(bodies[0]);
  });
});

describe("a part that is refused", () => {
  it("leaves what is there as it was", async () => {
    before = await worker.snapshot();
    const { id } = await begin({ bytes: LARGE.length });
    const first = partOf(LARGE, 1);
    expect((await put(id, 1, first)).status).toBe(200);
    const received = (await look(id)).received;
    const refuse = async (number: number, body: BodyInit, code: string, headers: Record<string, string> = {}) => {
      expect(await problemOf(await put(id, number, body, headers))).toMatchObject({ code });
      expect((await look(id)).received).toEqual(received);
    };
    await refuse(1, first.slice(1), "invalid-part");
    await refuse(2, first.slice(0, 5 * MIB), "invalid-part");
    await refuse(2, new Uint8Array(8 * MIB + 1), "invalid-part");
    await refuse(3, first, "invalid-part");
    await refuse(4, first, "invalid-part");
    await refuse(2, new Blob([first.slice(1)]).stream(), "invalid-part");
    await refuse(2, new Blob([first, first]).stream(), "invalid-part");
    await refuse(2, partOf(LARGE, 2), "digest-mismatch", { "content-digest": field(first) });
    await refuse(0, first, "malformed-request");

    // With one missing it cannot be completed, and goes on afterwards.
    expect(await problemOf(await complete(id))).toMatchObject({
      code: "incomplete-upload",
      status: 409,
      missing: [2, 3],
    });
    expect((await look(id)).received).toEqual(received);
    const multipart = await multipartIdOf(id);
    expect(await takesParts(id, multipart)).toBe(true);
    expect((await worker.fetch(`/v1/uploads/${id}`, { method: "DELETE" })).status).toBe(204);
    expect(await takesParts(id, multipart)).toBe(false);
    await isGone(id);
    expect((await worker.fetch(`/v1/uploads/${id}`, { method: "DELETE" })).status).toBe(404);
    expect((await put(id, 1, first)).status).toBe(404);
    expect((await complete(id)).status).toBe(404);
  });

  it("that broke off is sent again", async () => {
    const { id } = await begin({ bytes: LARGE.length });
    const { hostname, port } = new URL(worker.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      [
        `PUT /v1/uploads/${id}/parts/1 HTTP/1.1`,
        `host: ${hostname}:${port}`,
        `authorization: Bearer ${worker.token}`,
        "content-type: application/octet-stream",
        `content-length: ${8 * MIB}`,
        "\r\n",
      ].join("\r\n"),
    );
    await new Promise<void>((resolve) => socket.write(LARGE.subarray(0, 6 * MIB), () => resolve()));
    await sleep(500);
    socket.destroy();
    await sleep(1500);
    expect((await look(id)).received).toEqual([]);
    await sendAll(id, LARGE);
    expect((await complete(id)).status).toBe(200);
  });
});

describe("a file that is not what it should be leaves nothing", () => {
  const truncated = largeCheckpoint(5_000_000, 7).slice(0, -4);
  const garbage = new Uint8Array(9 * MIB).fill(7);
  const misaligned = f32Checkpoint({ w: [1] }, { "edgefuse.alignment": "{}" });
  it.each<[string, Uint8Array<ArrayBuffer>, CreateUploadRequest["kind"], string | undefined, string]>([
    ["another digest", largeCheckpoint(5_000_000, 8), "checkpoint", "ab".repeat(32), "digest-mismatch"],
    ["another digest, small", f32Checkpoint({ w: [8] }), "checkpoint", "ab".repeat(32), "digest-mismatch"],
    [
      "the digest of another file that is there",
      largeCheckpoint(5_000_000, 9),
      "checkpoint",
      sha256(LARGE),
      "digest-mismatch",
    ],
    ["a truncated safetensors file", truncated, "checkpoint", undefined, "truncated-file"],
    ["the same, announced", truncated, "checkpoint", sha256(truncated), "truncated-file"],
    ["no safetensors file", garbage, "checkpoint", undefined, "malformed-safetensors"],
    ["no safetensors file, announced", garbage, "checkpoint", sha256(garbage), "malformed-safetensors"],
    ["alignment facts that are none", misaligned, "checkpoint", undefined, "invalid-metadata"],
    ["a checkpoint as a shard", f32Checkpoint({ w: [1] }), "shard", undefined, "invalid-shard"],
    ["a shard of another digest", f32Checkpoint({ w: [1] }), "shard", "cd".repeat(32), "digest-mismatch"],
  ])("%s", async (_, file, kind, announced, code) => {
    before = await worker.snapshot();
    const { id } = await begin({
      kind,
      bytes: file.length,
      ...(announced === undefined ? {} : { sha256: announced }),
    } as CreateUploadRequest);
    const multipart = await multipartIdOf(id);
    await sendAll(id, file);
    const answer = await complete(id);
    expect(await problemOf(answer)).toMatchObject({ status: 422, code });
    expect(await takesParts(id, multipart)).toBe(false);
    await isGone(id);
  });

  it("and what is too large is refused before it is sent", async () => {
    before = await worker.snapshot();
    for (const request of [{ bytes: 5 * 2 ** 30 }, { kind: "shard", bytes: 17 * MIB }]) {
      expect((await worker.fetch("/v1/uploads", json(request))).status).toBe(413);
    }
    for (const request of [{ bytes: 0 }, { bytes: 1.5 }, {}, { bytes: 8, sha256: "no" }, { bytes: 8, kind: "model" }]) {
      expect((await worker.fetch("/v1/uploads", json(request))).status).toBe(400);
    }
    expect(await worker.snapshot()).toBe(before);
    expect(
      (await worker.environment.CATALOG.prepare("SELECT 1 FROM uploads WHERE result IS NULL").all()).results,
    ).toEqual([]);
  });
});
