import { createHash } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiError, EdgefuseClient } from "../../shared/api/index.ts";
import { f32Checkpoint, largeCheckpoint } from "../support/checkpoint-files.ts";
import { fileFromHeader } from "../support/safetensors-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

const LIMIT = 24_000_000;
let worker: WorkerHarness;
let client: EdgefuseClient;

beforeAll(async () => {
  worker = await startWorker({ vars: { EDGEFUSE_MAX_UPLOAD_BYTES: String(LIMIT) } });
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
});
afterAll(() => worker.close());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
const post = (body: BodyInit, headers: Record<string, string> = {}) =>
  worker.fetch("/v1/checkpoints", {
    method: "POST",
    body,
    headers: { "content-type": "application/octet-stream", ...headers },
    ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
  });

/** Runs something that must be refused, and asserts that bucket and catalog are as before. */
async function refused(request: () => Promise<Response>, status: number, code: string) {
  const before = await worker.snapshot();
  const response = await request();
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({ status, code, type: `/docs/problems#${code}` });
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(await worker.snapshot()).toBe(before);
  return problem;
}

const good = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
const one = (entry: unknown, dataLength = 4) => fileFromHeader(JSON.stringify({ w: entry }), dataLength);

const MALFORMED: [what: string, file: Uint8Array<ArrayBuffer>, code: string][] = [
  ["no bytes at all", new Uint8Array(0), "truncated-file"],
  ["five bytes", new Uint8Array(5), "truncated-file"],
  ["a truncated file", f32Checkpoint({ w: [1, 2, 3] }).slice(0, -1), "truncated-file"],
  ["a file cut off in its header", f32Checkpoint({ w: [1] }).slice(0, 20), "truncated-file"],
  ["a header longer than the file", fileFromHeader("{}", 0, 5000), "truncated-file"],
  ["a header over the limit", fileFromHeader("{}", 0, 25_000_001), "malformed-safetensors"],
  ["a header that is not JSON", fileFromHeader("{w}", 0), "malformed-safetensors"],
  [
    "duplicate keys",
    fileFromHeader(`{"w":${JSON.stringify(good)},"w":${JSON.stringify(good)}}`, 4),
    "malformed-safetensors",
  ],
  [
    "overlapping offsets",
    fileFromHeader(
      JSON.stringify({ a: { ...good, shape: [2], data_offsets: [0, 8] }, b: { ...good, data_offsets: [4, 8] } }),
      8,
    ),
    "malformed-safetensors",
  ],
  ["a gap before a tensor", one({ ...good, data_offsets: [4, 8] }, 8), "malformed-safetensors"],
  ["a wrong byte count", one({ ...good, data_offsets: [0, 8] }, 8), "malformed-safetensors"],
  ["bytes beyond the last tensor", one(good, 8), "malformed-safetensors"],
  ["an unknown dtype", one({ ...good, dtype: "F33" }), "malformed-safetensors"],
  ["alignment facts that are none", f32Checkpoint({ w: [1] }, { "edgefuse.alignment": "{}" }), "invalid-metadata"],
];

describe("a refused upload leaves nothing", () => {
  it.each(MALFORMED)("%s", async (_, file, code) => {
    await refused(() => post(file), 422, code);
    // Without a Content-Length the same is found out while the file passes.
    await refused(() => post(new Blob([file]).stream()), 422, code);
  });

  it("a large file that is truncated, with and without its length", async () => {
    const file = largeCheckpoint(5_000_000, 1).slice(0, -4);
    await refused(() => post(file), 422, "truncated-file");
    await refused(() => post(new Blob([file]).stream()), 422, "truncated-file");
  });

  it("more than the limit, by its length, by its header and while it passes", async () => {
    const file = largeCheckpoint(LIMIT / 4, 1);
    const problem = await refused(() => post(file), 413, "payload-too-large");
    expect(problem["limit"]).toBe(LIMIT);
    await refused(() => post(new Blob([file]).stream()), 413, "payload-too-large");
  });

  it.each([1000, 5_000_000])("a file of %i elements that is not what was announced", async (elements) => {
    const file = largeCheckpoint(elements, 2);
    const digest = `sha-256=:${sha256(new Uint8Array([1])).toString("base64")}:`;
    await refused(() => post(file, { "repr-digest": digest }), 422, "digest-mismatch");
    await refused(() => post(file, { "repr-digest": "sha-256=:AAAA:" }), 400, "malformed-request");
  });

  it("a wrong content type or encoding", async () => {
    const file = f32Checkpoint({ w: [1] });
    await refused(() => post(file, { "content-type": "text/plain" }), 415, "unsupported-media-type");
    await refused(() => post(file, { "content-encoding": "br" }), 415, "unsupported-media-type");
  });

  it("no token, a wrong one, a wrong scheme", async () => {
    const path = `${worker.url}/v1/checkpoints`;
    const body = f32Checkpoint({ w: [1] });
    const send = (headers: Record<string, string>) =>
      fetch(path, { method: "POST", body, headers: { "content-type": "application/octet-stream", ...headers } });
    await refused(() => send({}), 401, "unauthorized");
    await refused(() => send({ authorization: `Basic ${worker.token}` }), 401, "unauthorized");
    await refused(() => send({ authorization: "Bearer wrong" }), 401, "invalid-token");
    await refused(() => send({ authorization: `Bearer ${worker.token}x` }), 401, "invalid-token");
    expect((await fetch(path)).headers.get("www-authenticate")).toMatch(/^Bearer/);
  });

  it("a JSON body that is none, or has other members, or is too large", async () => {
    const json = { "content-type": "application/json" };
    await refused(() => post("{", json), 400, "malformed-request");
    const problem = await refused(() => post('{"key":1,"more":2}', json), 400, "malformed-request");
    expect(problem["errors"]).toEqual(expect.arrayContaining([expect.objectContaining({ pointer: "/key" })]));
    await refused(() => post(JSON.stringify({ key: "x".repeat(2 ** 21) }), json), 413, "payload-too-large");
  });
});

/** Sends the head of a request and a part of its body over a bare socket, then cuts the line. */
async function interrupt(file: Uint8Array, sent: number, headers: string[] = []): Promise<void> {
  const { hostname, port } = new URL(worker.url);
  const socket = connect(Number(port), hostname);
  const head = [
    "POST /v1/checkpoints HTTP/1.1",
    `host: ${hostname}:${port}`,
    `authorization: Bearer ${worker.token}`,
    "content-type: application/octet-stream",
    `content-length: ${file.length}`,
    ...headers,
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  await new Promise<void>((resolve) => socket.write(file.subarray(0, sent), () => resolve()));
  await sleep(500);
  socket.destroy();
}

describe("an upload that is interrupted", () => {
  const large = largeCheckpoint(5_000_000, 3);
  const announced = `repr-digest: sha-256=:${sha256(large).toString("base64")}:`;
  it.each([
    ["a small file", f32Checkpoint({ w: [1, 2, 3] }), 60, []],
    ["a large file, staged in parts", large, 18_000_000, []],
    ["a large file with an announced digest", large, 18_000_000, [announced]],
  ])("leaves no object: %s", async (_, file, sent, headers) => {
    const before = await worker.snapshot();
    await interrupt(file, sent, headers);
    await sleep(1500);
    expect(await worker.snapshot()).toBe(before);
    // The isolate goes on serving.
    expect((await worker.fetch("/v1/checkpoints")).status).toBe(200);
  });
});

describe("an upload that is right", () => {
  it("is described, listed and served; again it is known", async () => {
    const file = f32Checkpoint({ b: [1, 2], a: [3] }, { note: "hello" });
    const id = sha256(file).toString("hex");
    const first = await post(file);
    expect(first.status).toBe(201);
    expect(first.headers.get("location")).toBe(`/v1/checkpoints/${id}`);
    const description = await first.json();
    expect(description).toMatchObject({
      id,
      bytes: file.length,
      tensors: 2,
      elements: 3,
      dtypes: ["F32"],
      architecture: null,
      alignment: null,
      metadata: { note: "hello" },
      header: [
        { name: "a", dtype: "F32", shape: [1] },
        { name: "b", dtype: "F32", shape: [2] },
      ],
    });
    const before = await worker.snapshot();
    const again = await post(new Blob([file]).stream());
    expect([again.status, await again.json()]).toEqual([200, description]);
    expect(await worker.snapshot()).toBe(before);
    expect(await (await worker.fetch(`/v1/checkpoints/${id}`)).json()).toEqual(description);
    const bytes = await worker.fetch(`/v1/checkpoints/${id}/model.safetensors`, { headers: { range: "bytes=0-7" } });
    expect([bytes.status, new Uint8Array(await bytes.arrayBuffer())]).toEqual([206, file.slice(0, 8)]);
  });

  it.each([
    ["with its length", 4, (file: Uint8Array<ArrayBuffer>) => post(file)],
    ["of unknown length", 5, (file: Uint8Array<ArrayBuffer>) => post(new Blob([file]).stream())],
    [
      "with its length and digest",
      6,
      (file: Uint8Array<ArrayBuffer>) => post(file, { "repr-digest": `sha-256=:${sha256(file).toString("base64")}:` }),
    ],
  ])("may be larger than one part: %s", async (_, seed, send) => {
    const file = largeCheckpoint(5_000_000, seed);
    const response = await send(file);
    expect(response.status).toBe(201);
    const { id } = (await response.json()) as { id: string };
    expect(id).toBe(sha256(file).toString("hex"));
    const served = await worker.fetch(`/v1/checkpoints/${id}/model.safetensors`);
    expect(sha256(new Uint8Array(await served.arrayBuffer())).toString("hex")).toBe(id);
    const { objects } = await worker.environment.BUCKET.list({ prefix: "staging/" });
    expect(objects).toEqual([]);
  });

  it("is listed page by page, newest first", async () => {
    const uploaded = [];
    for (const value of [11, 12, 13]) uploaded.push((await client.uploadCheckpoint(f32Checkpoint({ w: [value] }))).id);
    const listed = [];
    for await (const { id } of client.listCheckpoints({ limit: 2 })) listed.push(id);
    expect(listed.slice(0, 3)).toEqual(uploaded.toReversed());
    expect(new Set(listed).size).toBe(listed.length);
  });
});

const put = (key: string, body: Uint8Array) =>
  worker.s3.send(new PutObjectCommand({ Bucket: worker.bucketName, Key: key, Body: body }));
const register = (key: string) => post(JSON.stringify({ key }), { "content-type": "application/json" });
const exists = async (key: string) => (await worker.environment.BUCKET.head(key)) !== null;

describe("registering what the AWS SDK uploaded", () => {
  it("takes an object under its digest", async () => {
    const file = f32Checkpoint({ w: [21] });
    const id = sha256(file).toString("hex");
    await put(`checkpoints/${id}.safetensors`, file);
    expect(await client.registerCheckpoint(`checkpoints/${id}.safetensors`)).toMatchObject({ id, bytes: file.length });
    expect((await register(`checkpoints/${id}.safetensors`)).status).toBe(200);
  });

  it("moves an incoming object to its digest", async () => {
    const file = largeCheckpoint(3_000_000, 22);
    await put("incoming/run 1/model.safetensors", file);
    const { id } = await client.registerCheckpoint("incoming/run 1/model.safetensors");
    expect(id).toBe(sha256(file).toString("hex"));
    expect(await exists("incoming/run 1/model.safetensors")).toBe(false);
    expect(await exists(`checkpoints/${id}.safetensors`)).toBe(true);
  });

  it("removes an object whose name promises another digest", async () => {
    const before = await worker.snapshot();
    const key = `checkpoints/${"ab".repeat(32)}.safetensors`;
    await put(key, f32Checkpoint({ w: [23] }));
    const failure = await client.registerCheckpoint(key).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ApiError);
    expect(failure).toMatchObject({ code: "digest-mismatch", status: 422 });
    expect(await worker.snapshot()).toBe(before);
  });

  it("forgets a checkpoint whose object was overwritten", async () => {
    const { id } = await client.uploadCheckpoint(f32Checkpoint({ w: [24] }));
    const key = `checkpoints/${id}.safetensors`;
    await put(key, f32Checkpoint({ w: [25] }));
    expect((await register(key)).status).toBe(422);
    expect(await exists(key)).toBe(false);
    expect((await worker.fetch(`/v1/checkpoints/${id}`)).status).toBe(404);
  });

  it("leaves a refused incoming object to its sender", async () => {
    await put("incoming/bad", new Uint8Array([1, 2, 3]));
    await refused(() => register("incoming/bad"), 422, "truncated-file");
  });

  it.each([
    ["models/x/model.safetensors"],
    ["checkpoints/short.safetensors"],
    [`shards/${"0".repeat(64)}.safetensors`],
    ["incoming/"],
    [`checkpoints/../incoming/${"0".repeat(64)}.safetensors`],
  ])("refuses the key %s", async (key) => {
    await refused(() => register(key), 422, "invalid-key");
  });

  it("says which object is missing", async () => {
    await refused(() => register(`checkpoints/${"0".repeat(64)}.safetensors`), 404, "object-not-found");
    await refused(() => register("incoming/nothing"), 404, "object-not-found");
  });
});
