import { createHash } from "node:crypto";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiError, EdgefuseClient } from "../../shared/api/index.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { f32Checkpoint, largeCheckpoint } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
let Bucket: string;

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  Bucket = worker.bucketName;
});
afterAll(() => worker.close());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const keyOf = (file: Uint8Array) => `checkpoints/${sha256(file)}.safetensors`;

async function refusal(promise: Promise<unknown>) {
  const error = await promise.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe("@aws-sdk/client-s3", () => {
  it("puts checkpoints, the API registers them by key and fuses them, and the SDK reads the model", async () => {
    const files = [f32Checkpoint({ w: [1, 2, 3] }), f32Checkpoint({ w: [3, 2, 1] })];
    const inputs = [];
    for (const file of files) {
      await worker.s3.send(new PutObjectCommand({ Bucket, Key: keyOf(file), Body: file }));
      const registered = await client.registerCheckpoint(keyOf(file));
      expect(registered).toMatchObject({ id: sha256(file), bytes: file.length });
      // However it comes, and however often, it is one checkpoint and one object.
      expect((await client.uploadCheckpoint(file)).id).toBe(registered.id);
      expect(await client.registerCheckpoint(keyOf(file))).toEqual(registered);
      inputs.push({ checkpoint: registered.id });
    }
    const listed = await worker.s3.send(new ListObjectsV2Command({ Bucket, Prefix: "checkpoints/" }));
    expect(listed.Contents?.map(({ Key }) => Key).toSorted()).toEqual(files.map(keyOf).toSorted());

    const { id } = await client.createFusion({ recipe: { method: "linear", inputs } });
    const Key = `models/${id}/model.safetensors`;
    const stored = await worker.s3.send(new GetObjectCommand({ Bucket, Key }));
    const bytes = (await stored.Body?.transformToByteArray()) ?? new Uint8Array(0);
    expect(sha256(bytes)).toBe(sha256(await client.fetchModel(id)));
    const { header, bytes: of } = decodeSafetensors(new Uint8Array(bytes));
    expect(header.tensors.map((tensor) => [...new Float32Array(of(tensor).slice().buffer)])).toEqual([[2, 2, 2]]);

    // Of a large model one reads a piece, as safetensors clients do.
    const head = await worker.s3.send(new HeadObjectCommand({ Bucket, Key }));
    expect(head.ContentLength).toBe(bytes.length);
    const piece = await worker.s3.send(new GetObjectCommand({ Bucket, Key, Range: "bytes=0-7" }));
    expect(piece.ContentRange).toBe(`bytes 0-7/${bytes.length}`);
    expect(await piece.Body?.transformToByteArray()).toEqual(bytes.slice(0, 8));
  });

  it("sends a large checkpoint in parts", async () => {
    const file = largeCheckpoint(3_000_000, 1);
    const upload = new Upload({
      client: worker.s3,
      params: { Bucket, Key: keyOf(file), Body: Buffer.from(file) },
      partSize: 5 * 2 ** 20,
      queueSize: 2,
    });
    await upload.done();
    expect(await client.registerCheckpoint(keyOf(file))).toMatchObject({ id: sha256(file), bytes: file.length });
  });

  it("can put what is no checkpoint, or not the one that its key names; neither is registered", async () => {
    const file = f32Checkpoint({ w: [5] });
    const other = f32Checkpoint({ w: [6] });
    for (const [Key, Body, code] of [
      [keyOf(other), file, "digest-mismatch"],
      [`checkpoints/${"1".repeat(64)}.safetensors`, file.slice(0, 20), "truncated-file"],
    ] as const) {
      await worker.s3.send(new PutObjectCommand({ Bucket, Key, Body }));
      const { status, code: told } = await refusal(client.registerCheckpoint(Key));
      expect([Key, status, told]).toEqual([Key, 422, code]);
    }
    expect((await refusal(client.registerCheckpoint(keyOf(f32Checkpoint({ w: [7] }))))).status).toBe(404);
    const page = await worker.fetch("/v1/checkpoints?limit=200");
    const { items } = (await page.json()) as { items: { id: string }[] };
    expect(items.map(({ id }) => id)).not.toContain(sha256(other));
  });

  it("registers nothing under keys that are not for checkpoints", async () => {
    const file = f32Checkpoint({ w: [8] });
    for (const Key of [
      `models/${sha256(file)}/model.safetensors`,
      `${keyOf(file)}/..`,
      `../${keyOf(file)}`,
      "checkpoints/",
    ]) {
      const { status, code: told } = await refusal(client.registerCheckpoint(Key));
      expect([Key, status]).toEqual([Key, expect.toBeOneOf([400, 422])]);
      expect(told).toMatch(/^(invalid-key|malformed-request)$/);
    }
  });

  it("says so where an object was taken away behind the catalog's back", async () => {
    const file = f32Checkpoint({ w: [9, 9] });
    await worker.s3.send(new PutObjectCommand({ Bucket, Key: keyOf(file), Body: file }));
    const { id } = await client.registerCheckpoint(keyOf(file));
    await worker.s3.send(new DeleteObjectCommand({ Bucket, Key: keyOf(file) }));
    const answer = await worker.fetch(`/v1/checkpoints/${id}/model.safetensors`);
    expect([answer.status, await answer.json()]).toEqual([404, expect.objectContaining({ code: "object-not-found" })]);
    // Put back, it is there again.
    await worker.s3.send(new PutObjectCommand({ Bucket, Key: keyOf(file), Body: file }));
    const again = await worker.fetch(`/v1/checkpoints/${id}/model.safetensors`);
    expect(sha256(new Uint8Array(await again.arrayBuffer()))).toBe(id);
  });

  it("lists in pages", async () => {
    for (let value = 0; value < 5; value++) {
      await worker.s3.send(new PutObjectCommand({ Bucket, Key: `incoming/${value}`, Body: `${value}` }));
    }
    const keys = [];
    for await (const page of paginateListObjectsV2(
      { client: worker.s3, pageSize: 2 },
      { Bucket, Prefix: "incoming/" },
    )) {
      keys.push(...(page.Contents ?? []).map(({ Key }) => Key));
    }
    expect(keys).toEqual([0, 1, 2, 3, 4].map((value) => `incoming/${value}`));
  });

  it("is let in with the right secret alone; the API's token is none, nor its secret a token", async () => {
    const { accessKeyId, secretAccessKey } = await worker.s3.config.credentials();
    for (const credentials of [
      { accessKeyId, secretAccessKey: "another" },
      { accessKeyId: "another", secretAccessKey },
      { accessKeyId: worker.token, secretAccessKey: worker.token },
    ]) {
      const stranger = new S3Client({
        region: "auto",
        endpoint: new URL("/cdn-cgi/local/r2/s3", worker.url).href,
        forcePathStyle: true,
        credentials,
        maxAttempts: 1,
      });
      try {
        const listing = stranger.send(new ListObjectsV2Command({ Bucket }));
        await expect(listing).rejects.toMatchObject({ $metadata: { httpStatusCode: expect.toBeOneOf([401, 403]) } });
      } finally {
        stranger.destroy();
      }
    }
    for (const secret of [accessKeyId, secretAccessKey]) {
      const answer = await fetch(`${worker.url}/v1/checkpoints`, { headers: { authorization: `Bearer ${secret}` } });
      expect(answer.status).toBe(401);
    }
  });
});
